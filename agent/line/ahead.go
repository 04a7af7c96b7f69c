package agent

import (
	"context"
	"io"
	"runtime"
	"sync"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// A replayFile reads one file ahead: one goroutine cuts it into chunks of lines, several parse them, and
// the engine takes them in the file's order. Parsing is most of the work of a replay, and lines can be
// parsed in any order; only the engine must see them one by one.
type replayFile struct {
	path   string
	device string
	file   io.Closer
	lines  *lineReader
	opts   panos.Options

	running sync.WaitGroup
	ordered chan *chunk // every chunk in the file's order, possibly still being parsed
	unused  chan *chunk // to be filled again

	chunk  *chunk      // the one that the lines come from now
	at     int         // its next line
	line   *parsedLine // the next line; nil: to be asked for
	ended  bool
	last   time.Time // event time of the last record: the place of a line that has none
	number int64     // of the last line taken
}

const (
	chunkLines = 256
	chunkBytes = 128 << 10
	chunksHeld = 8 // of one file, so that many files do not take much memory
)

// A chunk is some consecutive lines.
type chunk struct {
	text   []byte
	lines  []parsedLine
	events []detect.Event // of the lines, one each
	err    error          // why reading ended behind these lines; io.EOF at the end
	parsed chan struct{}
}

type parsedLine struct {
	from, to int // in text
	size     int64
	cut      bool
	err      error
	event    *detect.Event
}

func newReplayFile(path string, file io.Closer, plain io.Reader, opts panos.Options) *replayFile {
	f := &replayFile{path: path, device: deviceOf(path), file: file, lines: newLineReader(plain), opts: opts,
		ordered: make(chan *chunk, chunksHeld), unused: make(chan *chunk, chunksHeld)}
	for range chunksHeld {
		f.unused <- &chunk{
			lines: make([]parsedLine, 0, chunkLines), events: make([]detect.Event, chunkLines),
			parsed: make(chan struct{}, 1),
		}
	}
	return f
}

// start begins to read ahead, until the file or ctx ends.
func (f *replayFile) start(ctx context.Context, now time.Time) {
	work := make(chan *chunk, chunksHeld)
	f.running.Go(func() {
		defer close(f.ordered)
		defer close(work)
		f.read(ctx, work)
	})
	for range min(runtime.GOMAXPROCS(0), chunksHeld) {
		f.running.Go(func() {
			parser := panos.New(f.opts)
			for c := range work {
				f.parse(parser, c, now)
				c.parsed <- struct{}{}
			}
		})
	}
}

// read cuts the file into chunks.
func (f *replayFile) read(ctx context.Context, work chan<- *chunk) {
	for {
		var c *chunk
		select {
		case c = <-f.unused:
		case <-ctx.Done():
			return
		}
		c.text, c.lines = c.text[:0], c.lines[:0]
		for c.err == nil && len(c.lines) < chunkLines && len(c.text) < chunkBytes {
			var line []byte
			var l parsedLine
			if line, l.size, l.cut, c.err = f.lines.next(); c.err == nil {
				l.from = len(c.text)
				c.text = append(c.text, line...)
				l.to = len(c.text)
				l.event = &c.events[len(c.lines)]
				c.lines = append(c.lines, l)
			}
		}
		// Both channels have room for every chunk there is, so neither send waits.
		f.ordered <- c
		work <- c
		if c.err != nil {
			return
		}
	}
}

func (f *replayFile) parse(parser *panos.Parser, c *chunk, now time.Time) {
	for i := range c.lines {
		l := &c.lines[i]
		l.err = parser.Parse(c.text[l.from:l.to], now, l.event)
		if l.err == nil && l.event.Device == "" {
			l.event.Device = f.device
		}
	}
}

// fill asks for the next line, and tells the engine of those to come. The last line of a file counts
// also without a newline: the file is old.
func (f *replayFile) fill(engine *detect.Engine) error {
	for f.chunk == nil || f.at == len(f.chunk.lines) {
		if f.chunk != nil {
			if f.chunk.err != nil {
				f.ended = true
				if f.chunk.err == io.EOF {
					return nil
				}
				return f.chunk.err
			}
			f.unused <- f.chunk
		}
		c, ok := <-f.ordered
		if !ok { // ctx has ended
			f.ended = true
			return nil
		}
		<-c.parsed
		f.chunk, f.at = c, 0
	}
	if f.at%detect.Ahead == 0 {
		engine.Prefetch(f.chunk.events[f.at:len(f.chunk.lines)])
	}
	f.line = &f.chunk.lines[f.at]
	f.at++
	if f.line.err != nil {
		f.line.event.Time = f.last
	}
	f.line.event.Ref = uint64(f.number) + 1
	return nil
}
