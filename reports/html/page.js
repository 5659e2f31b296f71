// Draws the report's charts with Chart.js, from the JSON that stands beside each canvas. Nothing is fetched, stored or
// sent. Without it the page has all its tables.
(() => {
  'use strict';
  const NARROW = 560;  // pixels of a chart: below, labels of rows stand above their rows
  // As many as can be told apart without colour; each with the radius that makes it look as large as the others.
  const SHAPES = [['circle', 4], ['rect', 5], ['triangle', 5], ['rectRot', 5]];
  const STEPS = {steps_from: 'before', steps_to: 'after'};  // Chart.js names the end whose value is not held
  const PRINT_WIDTH = 660;
  const MOST_PRINTED_ROWS = 40;

  const root = document.documentElement;
  const variable = (name) => getComputedStyle(root).getPropertyValue('--' + name).trim();
  const faded = (colour, part) => colour + Math.round(255 * part).toString(16).padStart(2, '0');

  // As markup.cc writes values: three digits, times in the unit that suits.
  function digits(value) {
    if (value === 0) return '0';
    return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  }
  function valueText(value, unit) {
    if (unit !== 'ns') return digits(value) + (unit ? ' ' + unit : '');
    if (value === 0) return '0';
    const steps = [[1, 'ns'], [1e3, 'us'], [1e6, 'ms'], [1e9, 's']];
    let chosen = steps[0];
    for (const step of steps) if (Math.abs(value) >= step[0]) chosen = step;
    return digits(value / chosen[0]) + ' ' + chosen[1];
  }
  const axisTitle = (axis) => (axis.unit && axis.unit !== 'ns' ? axis.title + ', ' + axis.unit : axis.title);

  function niceStep(rough) {
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].find((part) => part * power >= rough * (1 - 1e-9)) * power;
  }

  function scaleOf(axis) {
    const scale = {
      type: axis.log ? 'logarithmic' : 'linear',
      title: {display: axis.title !== '', text: axisTitle(axis), color: variable('ink')},
      grid: {color: variable('rule'), borderColor: variable('rule')},
      ticks: {color: variable('ink'), maxRotation: 0, autoSkipPadding: 12,
        callback: (value) => valueText(value, axis.unit === 'ns' ? 'ns' : '')},
    };
    if (axis.names) {
      Object.assign(scale, {type: 'linear', min: -0.4, max: axis.names.length - 0.6});
      scale.ticks.stepSize = 1;
      scale.ticks.maxRotation = 60;
      scale.ticks.callback = (value) => axis.names[value] || '';
      scale.afterBuildTicks = (made) => { made.ticks = axis.names.map((_, value) => ({value})); };
    } else if (!axis.log) {
      scale.beginAtZero = true;  // lengths are only comparable from zero on
      scale.grace = '3%';
    } else {
      // 1, 2, 5 of each decade, or 1 and 3, or 1 alone: what there is room for. Within a decade, even steps.
      scale.afterBuildTicks = (made) => {
        const decades = Math.log10(made.max / made.min);
        if (decades < 0.8) {
          const step = niceStep((made.max - made.min) / 5);
          made.ticks = [];
          for (let i = Math.ceil(made.min / step); i * step <= made.max; i += 1) made.ticks.push({value: i * step});
          return;
        }
        const parts = decades > 5 ? [1] : decades > 2.2 ? [1, 3] : [1, 2, 5];
        made.ticks = made.ticks.filter(({value}) => {
          const part = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
          return parts.some((p) => Math.abs(p - part) < 1e-6);
        });
      };
    }
    return scale;
  }

  // Log axes end a little beyond the data, not at the next power of ten.
  function fit(scale, axis, values) {
    if (!axis.log || values.length === 0) return scale;
    const low = Math.log10(Math.min(...values));
    const high = Math.log10(Math.max(...values));
    const margin = Math.max(0.04 * (high - low), 0.06);
    return Object.assign(scale, {min: 10 ** (low - margin), max: 10 ** (high + margin)});
  }

  function marks(colour) {
    const paint = variable('s' + colour);
    const [shape, size] = SHAPES[colour % SHAPES.length];
    return {borderColor: paint, backgroundColor: faded(paint, 0.85), pointBorderColor: variable('paper'), pointBorderWidth: 0.5,
      pointBackgroundColor: faded(paint, 0.85), pointStyle: shape, pointRadius: size, pointHoverRadius: size + 2};
  }

  // Without marks; a stroke stands for it in the legend.
  const line = (colour) => ({pointRadius: 0, pointHoverRadius: 0, pointStyle: 'line', pointBorderWidth: 2, pointBorderColor: variable('s' + colour)});

  // Each gives Chart.js' configuration. A dataset's `say(index)` is the text of one of its values.
  const kinds = {
    xy(chart) {
      const datasets = chart.series.map((s) => {
        const bare = s.style === 'line' || s.style === 'dashed' || s.style === 'steps_from';
        return Object.assign(marks(s.colour), bare ? line(s.colour) : {}, {
          label: s.name, type: 'line', data: s.points.map(([x, y]) => ({x, y})), showLine: s.style !== 'points',
          borderWidth: s.style === 'dashed' ? 1.5 : 2, borderDash: s.style === 'dashed' ? [6, 4] : [],
          stepped: STEPS[s.style] || false, pointHitRadius: bare ? 0 : 6, order: bare ? 1 : 0,
          say: (i) => {
            const [x, y, label] = s.points[i];
            const at = chart.x.names ? chart.x.names[x] : chart.x.title + ' ' + valueText(x, chart.x.unit);
            return [s.name, label, at, valueText(y, chart.y.unit)].filter(Boolean).join(', ');
          },
        });
      });
      const all = chart.series.flatMap((s) => s.points);
      return {
        data: {datasets},
        scales: {x: fit(scaleOf(chart.x), chart.x, all.map((p) => p[0])), y: fit(scaleOf(chart.y), chart.y, all.map((p) => p[1]))},
        legend: (item) => item.text !== '', height: () => 420,
      };
    },
    strip(chart, narrow) {
      const datasets = [];
      chart.rows.forEach((row, y) => {
        const say = (kind, value) => [row.label, kind, valueText(value, chart.x.unit)].filter(Boolean).join(', ');
        datasets.push(Object.assign(marks(row.colour), {data: row.values.map((x) => ({x, y})), order: 1,
          say: (i) => say('', row.values[i])}));
        if (row.median !== undefined) {
          datasets.push({data: [{x: row.median, y}], pointStyle: 'line', rotation: 90, pointRadius: 10, pointHoverRadius: 10, order: 2,
            borderWidth: 2, borderColor: variable('ink'), say: () => say('median', row.median)});
        }
        if (row.expected !== undefined) {
          datasets.push({data: [{x: row.expected, y}], pointStyle: 'rectRot', pointRadius: 7, pointHoverRadius: 8, order: 0, borderWidth: 1.5,
            borderColor: variable('ink'), backgroundColor: '#0000', say: () => say('predicted', row.expected)});
        }
      });
      const values = chart.rows.flatMap((row) => row.values.concat(row.expected === undefined ? [] : [row.expected]));
      return {
        type: 'scatter', data: {datasets},
        scales: {x: fit(scaleOf(chart.x), chart.x, values), y: rowScale(chart.rows.map((row) => row.label), narrow)},
        legend: () => false, height: () => 60 + chart.rows.length * (narrow ? 46 : 28),
      };
    },
    bars(chart, narrow) {
      const datasets = chart.series.map((s) => ({
        label: s.name, data: s.values, backgroundColor: faded(variable('s' + s.colour), 0.85), borderColor: variable('s' + s.colour), borderWidth: 1,
        barPercentage: 0.9, categoryPercentage: narrow ? 0.5 : 0.8, skipNull: true,
        say: (i) => [s.name, chart.categories[i], valueText(s.values[i], chart.x.unit)].filter(Boolean).join(', '),
      }));
      const y = rowScale(chart.categories, narrow);
      const each = (narrow ? 40 : 10) + 15 * chart.series.length;  // pixels a category
      if (narrow) y.ticks.labelOffset = 8 - each / 2;
      Object.assign(y, {type: 'category', offset: true, min: undefined, max: undefined, reverse: false, afterBuildTicks: undefined});
      return {
        type: 'bar', indexAxis: 'y', data: {labels: chart.categories, datasets}, scales: {x: scaleOf(chart.x), y},
        legend: (item) => item.text !== '' && chart.series.length > 1,
        height: () => 90 + chart.categories.length * each,
      };
    },
  };

  // A named row each, from top to bottom.
  function rowScale(names, narrow) {
    return {
      type: 'linear', reverse: true, min: -0.6, max: names.length - 0.4, grid: {color: variable('rule'), borderColor: variable('rule')},
      afterBuildTicks: (made) => { made.ticks = names.map((_, value) => ({value})); },
      ticks: {color: variable('ink'), autoSkip: false, mirror: narrow, z: 1, labelOffset: narrow ? -15 : 0, padding: narrow ? -2 : 6,
        callback: (value) => names[value]},
    };
  }

  function draw(figure) {
    if (figure.chart) figure.chart.destroy();
    const narrow = figure.box.clientWidth < NARROW;
    const made = kinds[figure.data.kind](figure.data, narrow);
    figure.narrow = narrow;
    figure.box.style.height = made.height() + 'px';
    figure.chart = new Chart(figure.canvas, {
      type: made.type || 'line', data: made.data,
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, indexAxis: made.indexAxis || 'x', scales: made.scales,
        font: {family: 'system-ui, sans-serif'}, layout: {padding: {right: 8, top: 4}},
        interaction: {mode: 'nearest', axis: 'xy', intersect: true},
        plugins: {
          legend: {display: made.data.datasets.some((d) => made.legend({text: d.label || ''})), align: 'start',
            labels: {color: variable('ink'), filter: made.legend, font: {size: narrow ? 10 : 12}, usePointStyle: figure.data.kind !== 'bars', boxWidth: figure.data.kind === 'bars' ? 14 : 8}},
          tooltip: {displayColors: false, backgroundColor: variable('ink'), bodyColor: variable('paper'),
            callbacks: {title: () => '', label: (item) => item.dataset.say(item.dataIndex).split(', ')}},
        },
      },
    });
    figure.at = null;
  }

  // Left and right go through the values of a series, up and down from series to series.
  function onKey(figure, event) {
    const sets = figure.chart.data.datasets;
    const count = (set) => sets[set].data.length;
    let {set, index} = figure.at || {set: 0, index: -1};
    if (event.key === 'ArrowRight') index += 1;
    else if (event.key === 'ArrowLeft') index -= 1;
    else if (event.key === 'ArrowDown') set += 1;
    else if (event.key === 'ArrowUp') set -= 1;
    else if (event.key === 'Home') index = 0;
    else if (event.key === 'End') index = count(set) - 1;
    else if (event.key !== 'Escape') return;
    event.preventDefault();
    const active = [];
    figure.at = null;
    if (event.key !== 'Escape') {
      set = (set + sets.length) % sets.length;
      index = Math.min(Math.max(index, 0), count(set) - 1);
      if (index >= 0) active.push({datasetIndex: set, index});
      figure.at = {set, index};
    }
    figure.now.textContent = active.length ? sets[set].say(index) : '';
    figure.chart.setActiveElements(active);
    figure.chart.tooltip.setActiveElements(active, {x: 0, y: 0});
    figure.chart.update();
  }

  const figures = [...document.querySelectorAll('.chart')].map((element) => ({
    box: element.querySelector('.canvas'), canvas: element.querySelector('canvas'), now: element.querySelector('.now'),
    data: JSON.parse(element.querySelector('script').textContent),
  }));
  const drawAll = () => figures.forEach(draw);

  root.classList.add('drawn');  // the style sheet shows charts, and tables are folded under them
  document.querySelectorAll('figure details').forEach((details) => { details.open = false; });
  drawAll();
  figures.forEach((figure) => {
    figure.canvas.addEventListener('keydown', (event) => onKey(figure, event));
    figure.canvas.addEventListener('blur', () => onKey(figure, new KeyboardEvent('keydown', {key: 'Escape'})));
    new ResizeObserver(() => {
      if (!root.classList.contains('on-paper') && (figure.box.clientWidth < NARROW) !== figure.narrow) draw(figure);
    }).observe(figure.box);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);

  // Paper is white, and as wide as paper.
  let folded = [];
  addEventListener('beforeprint', () => {
    root.classList.add('on-paper');
    // A table that fills pages is printed where its reader has opened it.
    folded = [...document.querySelectorAll('figure details:not([open])')].filter(
        (details) => details.querySelectorAll('tr').length <= MOST_PRINTED_ROWS);
    folded.forEach((details) => { details.open = true; });
    figures.forEach((figure) => {
      figure.box.style.width = PRINT_WIDTH + 'px';
      draw(figure);
      figure.chart.resize(PRINT_WIDTH, figure.box.clientHeight);
    });
  });
  addEventListener('afterprint', () => {
    root.classList.remove('on-paper');
    folded.forEach((details) => { details.open = false; });
    figures.forEach((figure) => { figure.box.style.width = ''; });
    drawAll();
  });
})();
