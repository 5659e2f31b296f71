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

void Svg::path(const std::string& d, const std::string& classes) { shape("path d=\"" + d + "\"", classes, ""); }

void Svg::text(double x, double y, Anchor anchor, const std::string& text, const std::string& classes) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + " text-anchor=\"" + name_of(anchor) + "\"" +
           (classes.empty() ? "" : " class=\"" + classes + "\"") + ">" + escape_markup(text) + "</text>\n";
}

void Svg::text_upwards(double x, double y, const std::string& text) {
  body_ += "<text text-anchor=\"middle\" transform=\"translate(" + pixel(x) + " " + pixel(y) + ") rotate(-90)\">" +
           escape_markup(text) + "</text>\n";
}

void Svg::mark(double x, double y, int colour, const std::string& label) {
  const std::string classes = "mark " + colour_class(colour);
  const auto polygon = [&](const std::string& points) { shape("path d=\"" + points + "\"", classes, label); };
  const std::string at = "M" + pixel(x) + " " + pixel(y);
  switch (colour % 4) {
    case 0:
      shape("circle" + attribute("cx", x) + attribute("cy", y) + " r=\"3.5\"", classes, label);
      break;
    case 1:
      polygon(at + "m-3.2 -3.2h6.4v6.4h-6.4z");
      break;
    case 2:
      polygon(at + "m0 -4.2l4 7.2h-8z");
      break;
    default:
      polygon(at + "m0 -4.6l4.6 4.6l-4.6 4.6l-4.6 -4.6z");
      break;
  }
}

void Svg::hollow_diamond(double x, double y, const std::string& label) {
  shape("path d=\"M" + pixel(x) + " " + pixel(y) + "m0 -6l6 6l-6 6l-6 -6z\"", "expected", label);
}

}  // namespace hetero
