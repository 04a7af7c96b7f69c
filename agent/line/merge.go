package line

import (
	"context"
	"fmt"
	"math"

	"activedefense/detect"
)

// A merge takes the lines of several lanes in the order of event time, by the time of each lane's next line. Lanes that
// are behind are so read side by side, and the logs of several firewalls combine as they would have live; with all of
// them at their ends it is the order of arrival. Where times are equal, the lane with the lower index goes first.
type merge struct {
	readers *readers
	engine  *detect.Engine // is told of the lines to come
	heads   []*lane        // those that have a next line, the earliest first, as a heap
}

// gather asks lanes for a next line that may have one. Those that have one already stay, whether they are named or not.
func (m *merge) gather(ctx context.Context, lanes []*lane) error {
	m.readers.lanes = len(m.heads) + len(lanes)
	for _, l := range lanes {
		if err := ctx.Err(); err != nil {
			return err // each lane may take a read
		}
		if l.head {
			continue
		}
		ok, err := m.readers.fill(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		if ok {
			m.look(l)
			l.head = true
			m.heads = append(m.heads, l)
		}
	}
	m.readers.lanes = len(m.heads)
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return nil
}

// next is the lane whose next line is the earliest, nil if none has one.
func (m *merge) next() *lane {
	if len(m.heads) == 0 {
		return nil
	}
	return m.heads[0]
}

// advance goes on behind the next line of the first lane.
func (m *merge) advance(ctx context.Context) error {
	l := m.heads[0]
	l.at++
	l.count++
	ok, err := m.readers.fill(ctx, l)
	if err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	if ok {
		m.look(l)
	} else {
		l.head = false
		last := len(m.heads) - 1
		m.heads[0] = m.heads[last]
		m.heads = m.heads[:last]
	}
	if len(m.heads) > 1 {
		m.sink(0)
	}
	return nil
}

// look takes note of the time of a lane's next line, and tells the engine of those behind it.
func (m *merge) look(l *lane) {
	c := l.chunk
	if l.at%detect.Ahead == 0 {
		m.engine.Prefetch(c.events[l.at:len(c.lines)])
	}
	p := &c.lines[l.at]
	switch ev := p.event; {
	case p.err != nil:
		ev.Time = l.last
	case ev.Later != 0 && ev.Time.Before(l.last):
		// The clock was set back and passed this hour twice: times of one file run forward, so it is the second.
		ev.Time = ev.Time.Add(ev.Later)
	}
	l.key = math.MinInt64
	if !p.event.Time.IsZero() {
		l.key = p.event.Time.UnixNano()
	}
}

// sink moves a lane down the heap to where it belongs.
func (m *merge) sink(i int) {
	h := m.heads
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if before(h[child], h[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func before(a, b *lane) bool { return a.key < b.key || a.key == b.key && a.index < b.index }
