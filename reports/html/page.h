// Pieces of an HTML page: sections, tables, figures with their data as a table. All text is escaped here. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace hetero {

// Columns whose head begins with '#' hold numbers and are set to the right, those with '~' sentences, which get room;
// the sign is not shown.
struct HtmlTable {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

std::string html_of(const HtmlTable& table);
std::string paragraph(const std::string& text, const std::string& css_class = "");
// A list of terms; empty values are left out.
std::string definitions(const std::vector<std::pair<std::string, std::string>>& terms);
// A drawing (a chart as chart.h gives it, or SVG) with its caption, and the data behind it as a table, which folds
// under the drawing where scripts run. Without a drawing it says that there is nothing to draw.
std::string figure(const std::string& caption, const std::string& drawing, const HtmlTable& data);

struct HtmlSection {
  std::string id;  // of letters and '-'
  std::string title;
  std::string body;  // HTML
};

// A whole document: style sheet, Chart.js with its licence and page.js inside. Its policy lets a browser run these two
// scripts, known by their hashes, and nothing else, and fetch nothing at all.
std::string html_page(const std::string& title, const std::vector<HtmlSection>& sections);

}  // namespace hetero
