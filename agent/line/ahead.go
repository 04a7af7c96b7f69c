package line

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"time"

	"activedefense/detect"
)

const (
	// chunkLines and chunkBytes bound the lines that are read and parsed in one go.
	chunkLines = 256
	chunkBytes = 128 << 10
	// chunksAhead is how many chunks of one source are read ahead, chunksMost how many of all together. With many
	// sources at once chunks get shorter, down to a line each, so that it does not take more memory than a line of each.
	chunksAhead = 8
	chunksMost  = 64
)

// A lane is one source with its lines that are read ahead, already parsed: to choose among several sources takes the
// time of each one's next line, and parsing is most of the work and can be done in any order; only the engine must see
// the lines one by one. What the flow's goroutine alone touches stands below the line.
type lane struct {
	source  Source
	name    string // its path
	device  string // what a line is from that does not say so, or all are where parsers have a device
	parsers *parsers

	reading sync.Mutex  // one chunk is read at a time, and stands in ordered before the next is begun
	stopped error       // why nothing can be read any more
	ordered chan *chunk // in the source's order, possibly still being parsed

	// ---------------------------------------------------------------------------------------------------------------

	chunk *chunk // the one that the lines come from now; nil: none
	at    int    // its next line
	asked int    // chunks that are being read ahead
	dry   bool   // there were no more lines when last asked; asked again after the next refresh
	err   error  // what ended the source; io.EOF at its end
	key   int64  // time of the next line, for the merge
	index int    // among the lanes: where times are equal the first goes first
	head  bool   // its next line is known to the merge

	last  time.Time // event time of the last line taken; the place of a line that has none
	count int64     // lines taken
	live  *followed // what the daemon keeps of it; nil in a replay
}

func newLane(source Source, name string, parsers *parsers) *lane {
	l := &lane{source: source, name: name, device: deviceOf(name), parsers: parsers, ordered: make(chan *chunk, chunksAhead)}
	if parsers != nil && parsers.device != "" {
		l.device = parsers.device
	}
	return l
}

// took notes when the line was written that is taken now.
func (l *lane) took(at, now time.Time) {
	if l.live != nil {
		l.live.took(at, l.last, now)
	}
	l.last = at
}

// nameDevice gives an event the device that it is of.
func (l *lane) nameDevice(ev *detect.Event) {
	if ev.Device == "" || l.parsers.device != "" {
		ev.Device = l.device
	}
}

// parsersOf gives those of an input.
func parsersOf(in *Input) *parsers { return &parsers{create: in.NewParser, device: in.Device} }

// parsers are those of an input that nobody uses now. As a line is read without regard to the ones before it, files share
// them: one takes 33 KiB, and of many files few are read at once.
type parsers struct {
	create func() Parser
	device string // of all lines; "": as each says

	mu    sync.Mutex
	spare []Parser
}

// take gives one that nobody else uses until it is given back.
func (p *parsers) take() Parser {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.spare); n > 0 {
		parser := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return parser
	}
	return p.create()
}

func (p *parsers) give(parser Parser) {
	p.mu.Lock()
	p.spare = append(p.spare, parser)
	p.mu.Unlock()
}

// A chunk is some consecutive lines of a source.
type chunk struct {
	text   []byte
	lines  []parsed
	events []detect.Event // of the lines, one each
	at     time.Time      // when they were read
	short  bool           // there were no more lines then
	err    error          // what ended the source behind these lines
	parsed chan struct{}
}

// parsed is one line and what it says.
type parsed struct {
	place    Place
	size     int64
	from, to int // in the chunk's text
	cut      bool
	err      error // why there is no event
	event    *detect.Event
}

// read fills a chunk with the lines that come next, as far as there is room, and puts it in order.
func (l *lane) read(c *chunk, r room, now func() time.Time) {
	l.reading.Lock()
	defer l.reading.Unlock()
	most := r.lines
	c.text, c.lines, c.at, c.short, c.err = c.text[:0], c.lines[:0], now(), false, l.stopped
	if cap(c.events) < most {
		c.events = make([]detect.Event, most)
	}
	take := func(line Line) {
		p := parsed{place: line.Place, size: line.Size, cut: line.Cut, from: len(c.text)}
		c.text = append(c.text, line.Data...)
		p.to = len(c.text)
		p.event = &c.events[:most][len(c.lines)]
		c.lines = append(c.lines, p)
	}
	for c.err == nil && !c.short && len(c.lines) < most && len(c.text) < r.bytes {
		// In a few goes, so that long lines do not make a chunk much larger than that.
		want := min(most-len(c.lines), max(1, most/64))
		n, err := l.source.Read(want, take)
		c.short, c.err = n < want && err == nil, err
	}
	l.stopped = c.err
	l.ordered <- c // there is room for all that were asked for
}

// parse turns the lines of a chunk into events.
func (l *lane) parse(c *chunk) {
	parser := l.parsers.take()
	for i := range c.lines {
		p := &c.lines[i]
		p.err = parser.Parse(c.text[p.from:p.to], c.at, p.event)
		p.event.Ref = p.place.ref()
		if p.err != nil {
			continue
		}
		p.event.Judge()
		l.nameDevice(p.event)
	}
	l.parsers.give(parser)
	c.parsed <- struct{}{}
}

// readers read and parse ahead on all cores.
type readers struct {
	now     func() time.Time
	work    chan task
	running sync.WaitGroup
	spare   []*chunk
	asked   int // chunks of all lanes
	lanes   int // that there are
}

// task is to read one chunk of a lane.
type task struct {
	lane  *lane
	chunk *chunk
	room  room
}

// room is what a chunk may take: so many lines, and no further one when it has so many bytes.
type room struct{ lines, bytes int }

// startReaders begins to work; the caller ends it with close. now is the time of reading, which stands in for that of
// lines that have none.
func startReaders(now func() time.Time) *readers {
	r := &readers{now: now, work: make(chan task, chunksMost)}
	for range min(runtime.GOMAXPROCS(0), chunksAhead) {
		r.running.Go(func() {
			for t := range r.work {
				t.lane.read(t.chunk, t.room, r.now)
				t.lane.parse(t.chunk)
			}
		})
	}
	return r
}

// close waits until nothing is read any more.
func (r *readers) close() {
	close(r.work)
	r.running.Wait()
}

// room is what a chunk may take now.
func (r *readers) room() room {
	lanes := max(chunksMost, r.lanes)
	return room{lines: max(1, chunksMost*chunkLines/lanes), bytes: max(1, chunksMost*chunkBytes/lanes)}
}

// ask has a lane read ahead, as far as there is room.
func (r *readers) ask(l *lane) {
	for l.asked < chunksAhead && r.asked < chunksMost {
		l.asked++
		r.asked++
		r.work <- task{l, r.take(), r.room()} // there is room for chunksMost
	}
}

// fill makes sure that the lane's next line is at hand, and tells whether there is one. The error says why the source
// cannot be read any more, or that ctx has ended.
func (r *readers) fill(ctx context.Context, l *lane) (bool, error) {
	for l.chunk == nil || l.at == len(l.chunk.lines) {
		r.put(l.chunk)
		l.chunk = nil
		switch {
		case l.asked > 0:
			if err := r.receive(ctx, l); err != nil {
				return false, err
			}
		case errors.Is(l.err, io.EOF):
			return false, nil
		case l.err != nil:
			return false, l.err
		case l.dry:
			return false, nil
		default: // a few lines that just came need no other goroutine
			c := r.take()
			l.read(c, r.room(), r.now)
			l.parse(c)
			<-c.parsed
			l.chunk = <-l.ordered
		}
		l.at, l.err, l.dry = 0, l.chunk.err, l.chunk.short
		if l.err == nil && !l.dry {
			r.ask(l)
		}
	}
	return true, nil
}

// receive waits for the chunk that comes next.
func (r *readers) receive(ctx context.Context, l *lane) error {
	select {
	case l.chunk = <-l.ordered:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.asked--
	r.asked--
	<-l.chunk.parsed // its lines are at most chunkLines
	return nil
}

// take gives an empty chunk.
func (r *readers) take() *chunk {
	if n := len(r.spare); n > 0 {
		c := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return c
	}
	return &chunk{parsed: make(chan struct{}, 1)}
}

// put keeps a chunk for its next use.
func (r *readers) put(c *chunk) {
	if c != nil && len(r.spare) < chunksMost {
		r.spare = append(r.spare, c)
	}
}
