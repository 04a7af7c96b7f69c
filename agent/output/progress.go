package output

import (
	"fmt"
	"io"
	"sync"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// ProgressEvery is how often a search says at a terminal how far it is.
const ProgressEvery = time.Second

// A Progress says on a line of a terminal how far a search is, and takes it away before anything else is written there.
type Progress struct {
	w io.Writer // the terminal itself, for the line moves its cursor

	mu    sync.Mutex
	began time.Time
	found int
	last  time.Time // of the last record found
	shown bool
}

// NewProgress begins one at a terminal.
func NewProgress(terminal io.Writer, began time.Time) *Progress {
	return &Progress{w: terminal, began: began}
}

// Note takes in a record that was found. A nil Progress is none.
func (p *Progress) Note(r *api.Record) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found, p.last = p.found+1, r.Time
}

// Run shows it with every tick until done is closed.
func (p *Progress) Run(ticks <-chan time.Time, done <-chan struct{}) {
	for {
		select {
		case <-done:
			p.mu.Lock()
			defer p.mu.Unlock()
			p.hide()
			return
		case now := <-ticks:
			p.show(now)
		}
	}
}

func (p *Progress) show(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("searching for %s, nothing found yet", display.Span(now.Sub(p.began)))
	if p.found > 0 {
		text = fmt.Sprintf("searching for %s, %s down to %s", display.Span(now.Sub(p.began)), display.Plural(p.found, "record"), display.LocalTime(p.last))
	}
	fmt.Fprint(p.w, "\r\x1b[K"+text)
	p.shown = true
}

// hide is called with mu held.
func (p *Progress) hide() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// A BehindProgress writes where a [Progress] may stand, which is taken away before.
type BehindProgress struct {
	io.Writer
	Progress *Progress
}

func (w *BehindProgress) Write(b []byte) (int, error) {
	w.Progress.mu.Lock()
	defer w.Progress.mu.Unlock()
	w.Progress.hide()
	return w.Writer.Write(b)
}
