package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// table is the result as Markdown.
type table struct{ strings.Builder }

func newTable(runs int) *table {
	t := &table{}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(t, "%d runs each, in turn, on %d processors, Linux %s.\n\n", runs, runtime.NumCPU(), strings.TrimSpace(string(release)))
	return t
}

// head begins the table of the commands.
func (t *table) head() {
	t.WriteString("| what | with | median | 90 % within | times rl | goal for rl |\n|---|---|---:|---:|---:|---|\n")
}

func (t *table) add(f figure, results map[string][]time.Duration) {
	rl := quantile(results["rl"], 0.5)
	for i, c := range f.contenders {
		title := f.title
		if i > 0 {
			title = ""
		}
		median := quantile(results[c.name], 0.5)
		fmt.Fprintf(t, "| %s | %s | %s | %s | %.2f | %s |\n", title, c.name, ms(median), ms(quantile(results[c.name], 0.9)),
			float64(median)/float64(rl), f.verdict(c.name, float64(rl)/float64(median)))
	}
}

// verdict says how rl does against a peer, where there is a goal.
func (f figure) verdict(peer string, ratio float64) string {
	for _, g := range f.goals {
		if g.peer != peer {
			continue
		}
		wanted, got := fmt.Sprintf("at most %.3g times %s", g.most, peer), fmt.Sprintf("%.2f", ratio)
		if g.most < 1 {
			wanted, got = fmt.Sprintf("%.3g times faster than %s", 1/g.most, peer), fmt.Sprintf("%.1f", 1/ratio)
		}
		if ratio <= g.most {
			return wanted + ": reached, " + got
		}
		return wanted + ": **not reached**, " + got
	}
	return ""
}

// mostMemory is what rl may keep for an idle container, in megabytes.
const mostMemory = 8

func (t *table) addMemory(all []footprint) {
	t.WriteString("\n| kept for an idle container with a published port | MB (PSS) | of that | goal for rl |\n|---|---:|---|---|\n")
	for _, f := range all {
		mb, verdict := float64(f.total)/1024, ""
		if f.tool == "rl" {
			verdict = fmt.Sprintf("at most %d MB: reached", mostMemory)
			if mb > mostMemory {
				verdict = fmt.Sprintf("at most %d MB: **not reached**", mostMemory)
			}
		}
		fmt.Fprintf(t, "| %s | %.1f | %s | %s |\n", f.tool, mb, strings.Join(f.parts, ", "), verdict)
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
