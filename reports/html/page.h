// Pieces of an HTML page: sections, tables, figures with their data as a table. All text is escaped here. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace hetero {

// Columns whose head begins with '#' hold numbers and are set to the right; the '#' is not shown.
struct HtmlTable {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

std::string html_of(const HtmlTable& table);
std::string paragraph(const std::string& text, const std::string& css_class = "");
// A list of terms; empty values are left out.
std::string definitions(const std::vector<std::pair<std::string, std::string>>& terms);
// A drawing (as svg_of() gives it) with its caption, and the data behind it as a table that opens. Without a drawing
// it says that there is nothing to draw.
std::string figure(const std::string& caption, const std::string& svg, const HtmlTable& data);

struct HtmlSection {
  std::string id;  // of letters and '-'
  std::string title;
  std::string body;  // HTML
};

// A whole document: no scripts, one style sheet inside, and a policy by which a browser fetches nothing.
std::string html_page(const std::string& title, const std::vector<HtmlSection>& sections);

}  // namespace hetero
