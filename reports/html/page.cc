#include "reports/html/page.h"

#include <span>

#include "base/embedded_file.h"
#include "reports/markup.h"

namespace hetero {

std::span<const EmbeddedFile> report_page_files();  // embedded by the build, in this order:
enum PageFile : std::size_t { kStyle, kPageScript, kChartScript, kChartLicence };

namespace {

std::string_view page_file(PageFile file) { return report_page_files()[file].text; }

// SHA-256 of a script as a content security policy names it. The build computes it, as hexadecimal digits.
std::string script_source(std::string_view hex) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string base64;
  unsigned bits = 0;
  int pending = 0;
  for (const char c : hex) {
    bits = bits << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    for (pending += 4; pending >= 6; pending -= 6) base64 += kDigits[bits >> (pending - 6) & 63];
  }
  if (pending > 0) base64 += kDigits[bits << (6 - pending) & 63];
  base64.resize((base64.size() + 3) / 4 * 4, '=');
  return "'sha256-" + base64 + "'";
}

std::string policy() {
  return "default-src 'none'; style-src 'unsafe-inline'; script-src " + script_source(HETERO_CHART_SHA256) + " " +
         script_source(HETERO_PAGE_SHA256) + "; base-uri 'none'; form-action 'none'";
}

std::string script(PageFile file) { return "<script>" + std::string(page_file(file)) + "</script>\n"; }

// The class of a column's cells, by the sign before its head.
std::string class_of(const std::string& head) {
  return head.starts_with('#') ? " class=\"number\"" : head.starts_with('~') ? " class=\"words\"" : "";
}

}  // namespace

std::string html_of(const HtmlTable& table) {
  std::string html = "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>";
  for (const std::string& head : table.head) {
    const std::string css_class = class_of(head);
    html += "<th" + css_class + " scope=\"col\">" + escape_markup(head.substr(css_class.empty() ? 0 : 1)) + "</th>";
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      html += "<td" + (i < table.head.size() ? class_of(table.head[i]) : "") + ">" + escape_markup(row[i]) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string paragraph(const std::string& text, const std::string& css_class) {
  return "<p" + (css_class.empty() ? "" : " class=\"" + css_class + "\"") + ">" + escape_markup(text) + "</p>\n";
}

std::string definitions(const std::vector<std::pair<std::string, std::string>>& terms) {
  std::string html = "<dl>\n";
  for (const auto& [term, value] : terms) {
    if (!value.empty()) html += "<dt>" + escape_markup(term) + "</dt><dd>" + escape_markup(value) + "</dd>\n";
  }
  return html + "</dl>\n";
}

std::string figure(const std::string& caption, const std::string& drawing, const HtmlTable& data) {
  if (drawing.empty()) return paragraph(caption + " Nothing was measured that could be drawn here.");
  const bool is_svg = drawing.starts_with("<svg");  // as wide as it is; a chart fits itself in
  return "<figure>\n<figcaption>" + escape_markup(caption) + "</figcaption>\n" +
         (is_svg ? "<div class=\"scroll\" tabindex=\"0\">\n" + drawing + "</div>\n" : drawing) +
         "<details open><summary>The figures as a table</summary>\n" + html_of(data) + "</details>\n</figure>\n";
}

std::string html_page(const std::string& title, const std::vector<HtmlSection>& sections) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"" +
      policy() + "\">\n<title>" + escape_markup(title) + "</title>\n<style>\n" + std::string(page_file(kStyle)) +
      "</style>\n</head>\n<body>\n<header><h1>" + escape_markup(title) +
      "</h1></header>\n<nav aria-label=\"Sections\"><ul>\n";
  for (const HtmlSection& section : sections) {
    html += "<li><a href=\"#" + section.id + "\">" + escape_markup(section.title) + "</a></li>\n";
  }
  html +=
      "</ul></nav>\n<p class=\"note without-scripts\">Scripts do not run here, so the charts are not drawn: their "
      "figures stand in the tables.</p>\n<main>\n";
  for (const HtmlSection& section : sections) {
    html += "<section id=\"" + section.id + "\">\n<h2>" + escape_markup(section.title) + "</h2>\n" + section.body +
            "</section>\n";
  }
  return html +
         "</main>\n<footer>\n<p>Charts are drawn by Chart.js, which is part of this page.</p>\n<details "
         "class=\"licence\">"
         "<summary>Its licence</summary>\n<pre>" +
         escape_markup_lines(page_file(kChartLicence)) + "</pre></details>\n</footer>\n" + script(kChartScript) +
         script(kPageScript) + "</body>\n</html>\n";
}

}  // namespace hetero
