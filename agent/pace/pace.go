// Package pace keeps how many lines were read in each hour of the last 30 days, and for how long somebody looked, in a small file that
// lasts over restarts: an hour in which the daemon did not run is told from one in which nothing came.
package pace

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
)

// FileName is the name of the file in the state folder.
const FileName = "pace.json"

// Kept is for how long hours are kept.
const Kept = 30 * 24 * time.Hour

// An Hour is what was read in one hour.
type Hour struct {
	From    time.Time `json:"from"` // the beginning, in UTC
	Lines   uint64    `json:"lines"`
	Seconds float64   `json:"seconds"` // for how long of it was looked, 0 to 3600
}

// Pace counts. It is safe for concurrent use.
type Pace struct {
	path string
	log  zerolog.Logger

	mu    sync.Mutex
	hours []Hour    // the oldest first
	total uint64    // at the last look
	at    time.Time // of the last look; zero: there was none
}

// mostBytes is far more than the hours take.
const mostBytes = 1 << 20

// Open goes on with what a file holds. One that cannot be read is begun anew, which is logged: nothing but a chart rests on it.
func Open(path string, log zerolog.Logger) *Pace {
	p := &Pace{path: path, log: log}
	content, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p
	}
	if err == nil && len(content) > mostBytes {
		err = errors.New("it is too large")
	}
	if err == nil {
		err = json.Unmarshal(content, &p.hours)
	}
	if err != nil {
		p.hours = nil
		log.Warn().Err(err).Str("file", path).Msg("how many lines were read in the last 30 days cannot be read; it is counted anew")
	}
	slices.SortFunc(p.hours, func(a, b Hour) int { return a.From.Compare(b.From) })
	return p
}

const (
	lookEvery = 10 * time.Second
	saveEvery = time.Minute
)

// Run looks and saves until ctx ends, and then once more. total gives how many lines were read.
func (p *Pace) Run(ctx context.Context, total func() uint64) error {
	look, save := time.NewTicker(lookEvery), time.NewTicker(saveEvery)
	defer look.Stop()
	defer save.Stop()
	p.Look(total(), time.Now())
	failed := false
	for {
		select {
		case now := <-look.C:
			p.Look(total(), now)
			continue
		case <-save.C:
		case <-ctx.Done():
		}
		err := p.save()
		if err != nil && !failed {
			p.log.Warn().Err(err).Msg("how many lines were read cannot be kept; the charts will lack it after a restart")
		}
		failed = err != nil
		if ctx.Err() != nil {
			return nil
		}
	}
}

// Look notes how many lines were read until now. A look that comes much too late, or before the last one, begins anew: the clock was set, or
// this host slept, and when what came was read is not known.
func (p *Pace) Look(total uint64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now = now.UTC().Round(0)
	passed, before := now.Sub(p.at), p.total
	known := !p.at.IsZero() && passed > 0 && passed <= 10*lookEvery && total >= before
	p.total, p.at = total, now
	if !known {
		return
	}
	hour := now.Truncate(time.Hour)
	i, found := slices.BinarySearchFunc(p.hours, hour, func(h Hour, t time.Time) int { return h.From.Compare(t) })
	if !found {
		p.hours = slices.Insert(p.hours, i, Hour{From: hour})
	}
	h := &p.hours[i]
	h.Lines += total - before
	h.Seconds = min(h.Seconds+passed.Seconds(), time.Hour.Seconds())
	p.hours = slices.DeleteFunc(p.hours, func(h Hour) bool { return now.Sub(h.From) > Kept || h.From.After(now) })
}

// Hours gives the hours in which was looked, the oldest first.
func (p *Pace) Hours() []Hour {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hours)
}

func (p *Pace) save() error {
	content, err := json.Marshal(p.Hours())
	if err != nil {
		return err
	}
	return durable.Write(p.path, content, 0o600, (*os.File).Sync)
}
