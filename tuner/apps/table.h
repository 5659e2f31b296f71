// A table of text for people: columns as wide as they need, the last one as long as it is.
#pragma once

#include <string>
#include <vector>

namespace hetero {

class Table {
 public:
  explicit Table(std::vector<std::string> header);
  // As many cells as the header has; missing ones are empty.
  void add(std::vector<std::string> row);
  std::string text() const;  // lines end in '\n'; the header is the first

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Cut to `width` characters with "..." where it is longer.
std::string shortened(const std::string& text, std::size_t width);

}  // namespace hetero
