#include "reports/html/svg.h"

#include <cstdio>

#include "reports/html/chart.h"
#include "reports/markup.h"

namespace hetero {
namespace {

std::string attribute(const char* name, double value) { return std::string(" ") + name + "=\"" + pixel(value) + "\""; }

const char* name_of(Anchor anchor) {
  switch (anchor) {
    case Anchor::kStart:
      return "start";
    case Anchor::kMiddle:
      return "middle";
    case Anchor::kEnd:
      return "end";
  }
  return "start";
}

}  // namespace

std::string pixel(double coordinate) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", coordinate);
  return text;
}

std::string colour_class(int colour) { return "s" + std::to_string(colour % kSeriesColours); }

Svg::Svg(double width, double height, const std::string& title)
    : body_("<svg viewBox=\"0 0 " + pixel(width) + " " + pixel(height) + "\" role=\"img\" aria-label=\"" +
            escape_markup(title) + "\">\n") {}

// Only words of ours are classes, so they need no escaping.
void Svg::shape(const std::string& element, const std::string& classes, const std::string& label) {
  body_ += "<" + element + " class=\"" + classes + "\"";
  body_ += label.empty()
               ? "/>\n"
               : "><title>" + escape_markup(label) + "</title></" + element.substr(0, element.find(' ')) + ">\n";
}

void Svg::line(double x1, double y1, double x2, double y2, const std::string& classes) {
  shape("line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2), classes, "");
}

void Svg::rect(double x, double y, double width, double height, const std::string& classes, const std::string& label) {
  shape("rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) + attribute("height", height),
        classes, label);
}

void Svg::text(double x, double y, Anchor anchor, const std::string& text, const std::string& classes) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + " text-anchor=\"" + name_of(anchor) + "\"" +
           (classes.empty() ? "" : " class=\"" + classes + "\"") + ">" + escape_markup(text) + "</text>\n";
}

}  // namespace hetero
