// Internal to html/: an SVG drawing that is put together piece by piece. Coordinates in pixels of the view box; they
// are written with one decimal. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace hetero {

enum class Anchor : std::uint8_t { kStart, kMiddle, kEnd };

class Svg {
 public:
  Svg(double width, double height, const std::string& title);

  // `classes` are those of page.css; `label` becomes a tooltip where it is not empty. All text is escaped.
  void line(double x1, double y1, double x2, double y2, const std::string& classes);
  void rect(double x, double y, double width, double height, const std::string& classes, const std::string& label = "");
  void text(double x, double y, Anchor anchor, const std::string& text, const std::string& classes = "");

  std::string finish() const { return body_ + "</svg>\n"; }

 private:
  void shape(const std::string& element, const std::string& classes, const std::string& label);
  std::string body_;
};

std::string colour_class(int colour);  // "s3"
std::string pixel(double coordinate);  // "12.5"

}  // namespace hetero
