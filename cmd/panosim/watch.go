package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/userid"
)

// printer writes lines, each whole.
type printer struct {
	mu sync.Mutex
	to io.Writer
}

// line writes one line about a machine. Where the output has gone away there is nobody to tell.
func (p *printer) line(about, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.to, "%s %-12s %s\n", time.Now().Format("15:04:05.000"), about, fmt.Sprintf(format, args...))
}

// change writes a change of what is registered.
func (p *printer) change(about string, c userid.Change) {
	var more []string
	if c.Timeout > 0 {
		more = append(more, "for "+c.Timeout.String())
	}
	if c.Owner {
		more = append(more, "by another owner")
	}
	what := c.Address.String()
	if c.To.IsValid() {
		what = c.Address.Addr().String() + "-" + c.To.String()
	}
	p.line(about, "%s", strings.Join(append([]string{string(c.Action), c.VSys, what, c.Tag}, more...), " "))
}

// watchInterval is how often jobs and the system log are looked at, which tell nobody when they change.
const watchInterval = 200 * time.Millisecond

// watch prints what happens to jobs and in the system log, until the context ends.
func (l *lab) watch(ctx context.Context) {
	var watchers []*watcher
	for _, d := range l.devices() {
		watchers = append(watchers, &watcher{device: d, printer: l.printer, jobs: map[int]string{}})
	}
	l.watching.Go(func() {
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for _, w := range watchers {
				w.look()
			}
		}
	})
}

// watcher remembers what was printed of a machine.
type watcher struct {
	device  device
	printer *printer
	jobs    map[int]string // how each stood
	last    logs.SystemLine
}

func (w *watcher) look() {
	known := map[int]string{}
	for _, j := range w.device.Jobs() {
		state := j.Status + " " + j.Result
		known[j.ID] = state
		if w.jobs[j.ID] != state {
			w.printer.line(w.device.name, "job %d %s of %s: %s %s", j.ID, j.Type, orNobody(j.User), state, strings.Join(j.Details, " | "))
		}
	}
	w.jobs = known
	lines := w.device.SystemLog()
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i] == w.last {
			lines = lines[i+1:]
			break
		}
	}
	for _, line := range lines {
		w.printer.line(w.device.name, "system %s %s: %s", line.Severity, line.Subtype, line.Text)
		w.last = line
	}
}

func orNobody(user string) string {
	if user == "" {
		return "nobody"
	}
	return user
}
