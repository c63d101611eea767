package org.vfio4j.cli.bench;

import java.util.List;
import java.util.Locale;

/**
 * Draws results as SVG: for each a bar of operations in a second, and on a logarithmic scale its latencies from the median to the
 * longest. Colours follow the reader's, light or dark. Stateless.
 */
final class BenchChart {

    private static final int WIDTH = 960;
    private static final int LABEL_WIDTH = 300;
    private static final int BAR_X = 310;
    private static final int BAR_WIDTH = 210;
    private static final int LATENCY_X = 610;
    private static final int LATENCY_WIDTH = 320;
    private static final int TOP = 76;
    private static final int ROW = 26;
    private static final int BOTTOM = 34;

    private static final String STYLE = """
            <style>
              svg { font: 12px system-ui, sans-serif; } .page { fill: #ffffff; }
              text { fill: #24292f; } .dim { fill: #656d76; }
              .title { font-size: 15px; font-weight: 600; }
              .grid { stroke: #d0d7de; stroke-width: 1; }
              .bar { fill: #4078b8; } .range { stroke: #8c959f; stroke-width: 2; }
              .p50 { fill: #4078b8; } .p99 { fill: #b35900; } .p999 { fill: #a40e26; }
              @media (prefers-color-scheme: dark) {
                .page { fill: #0d1117; } text { fill: #e6edf3; } .dim { fill: #8d96a0; }
                .grid { stroke: #30363d; } .bar { fill: #6cb0f5; } .range { stroke: #6e7681; }
                .p50 { fill: #6cb0f5; } .p99 { fill: #e3a04f; } .p999 { fill: #ff7b72; }
              }
            </style>
            """;

    private BenchChart() {}

    /** The chart of at least one result. */
    static String svg(String title, List<BenchResult> results) {
        int height = TOP + ROW * results.size() + BOTTOM;
        StringBuilder svg = new StringBuilder();
        svg.append(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n"
                        .formatted(WIDTH, height, WIDTH, height));
        svg.append("<title>").append(escape(title)).append("</title>\n").append(STYLE);
        svg.append("<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n".formatted(WIDTH, height));
        text(svg, 12, 26, "title", "start", title);
        text(svg, BAR_X, 56, "dim", "start", "operations per second");
        text(svg, LATENCY_X, 56, "dim", "start", "latency");
        legend(svg);
        Scale scale = Scale.of(results);
        scale.draw(svg, height - BOTTOM);
        double most = results.stream().mapToDouble(BenchResult::perSecond).max().orElse(1);
        for (int i = 0; i < results.size(); i++) {
            row(svg, TOP + ROW * i + ROW / 2, results.get(i), most, scale);
        }
        return svg.append("</svg>\n").toString();
    }

    private static void legend(StringBuilder svg) {
        String[][] marks = {{"p50", "p50"}, {"p99", "p99"}, {"p999", "p99.9"}};
        for (int i = 0; i < marks.length; i++) {
            int x = LATENCY_X + 130 + 50 * i;
            svg.append("<circle class=\"%s\" cx=\"%d\" cy=\"52\" r=\"4\"/>\n".formatted(marks[i][0], x));
            text(svg, x + 8, 56, "dim", "start", marks[i][1]);
        }
        text(svg, LATENCY_X + 284, 56, "dim", "start", "\u2014 max");
    }

    private static void row(StringBuilder svg, int y, BenchResult result, double most, Scale scale) {
        String label =
                result.name() + (result.workload().equals(BenchResult.REGION) ? "" : ", QD " + result.queueDepth());
        text(svg, LABEL_WIDTH, y + 4, "", "end", label);
        double width = most == 0 ? 0 : BAR_WIDTH * result.perSecond() / most;
        svg.append(
                format("<rect class=\"bar\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"14\"/>\n", BAR_X, y - 7, width));
        text(svg, BAR_X + width + 6, y + 4, "dim", "start", format("%.0f", result.perSecond()));
        svg.append(format(
                "<line class=\"range\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n",
                scale.x(result.p50Us()), y, scale.x(result.maxUs()), y));
        circle(svg, "p999", scale.x(result.p999Us()), y);
        circle(svg, "p99", scale.x(result.p99Us()), y);
        circle(svg, "p50", scale.x(result.p50Us()), y);
    }

    /** Decades from the one below the shortest median to the one above the longest latency. */
    private record Scale(int from, int to) {

        static Scale of(List<BenchResult> results) {
            double least =
                    results.stream().mapToDouble(BenchResult::p50Us).min().orElse(1);
            double most = results.stream().mapToDouble(BenchResult::maxUs).max().orElse(1);
            int from = (int) Math.floor(Math.log10(Math.max(least, 0.1)));
            int to = (int) Math.ceil(Math.log10(Math.max(most, 0.1)));
            return new Scale(from, Math.max(to, from + 1));
        }

        double x(double us) {
            double decades = Math.log10(Math.max(us, Math.pow(10, from))) - from;
            return LATENCY_X + LATENCY_WIDTH * decades / (to - from);
        }

        /** Ten to the {@code decade} microseconds, as {@code 10 ms}. */
        private static String duration(int decade) {
            int thousands = Math.floorDiv(decade, 3);
            return switch (thousands) {
                case -1 -> "%d ns".formatted((int) Math.pow(10, decade + 3));
                case 0 -> "%d us".formatted((int) Math.pow(10, decade));
                case 1 -> "%d ms".formatted((int) Math.pow(10, decade - 3));
                default -> "%d s".formatted((int) Math.pow(10, decade - 6));
            };
        }

        void draw(StringBuilder svg, int bottom) {
            for (int decade = from; decade <= to; decade++) {
                double x = x(Math.pow(10, decade));
                svg.append(format(
                        "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, TOP - 8, x, bottom));
                text(svg, x, bottom + 18, "dim", "middle", duration(decade));
            }
        }
    }

    private static void circle(StringBuilder svg, String style, double x, int y) {
        svg.append(format("<circle class=\"%s\" cx=\"%.1f\" cy=\"%d\" r=\"4\"/>\n", style, x, y));
    }

    private static void text(StringBuilder svg, double x, double y, String style, String anchor, String text) {
        svg.append(format("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", style, x, y, anchor))
                .append(escape(text))
                .append("</text>\n");
    }

    private static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
