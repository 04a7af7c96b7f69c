package agent

import (
	"path/filepath"
	"strings"
	"time"

	"activedefense/agent/tail"
	"activedefense/detect"
	"activedefense/detect/panos"
)

// A source is one input path with the parser for its format and zone, and its next line, already
// parsed: the merge needs the time of each file's next line before it can choose among them.
type source struct {
	stream   *tail.Stream
	parser   *panos.Parser
	device   string // what a line without a device name is from: the file's name
	path     string
	file     int64 // the file of the last line taken
	location *time.Location

	have  bool // line, event and err hold the next line
	dry   bool // there was no next line when last asked; asked again after the next refresh
	line  tail.Line
	event detect.Event
	err   error

	used  tail.Mark // the last line taken
	last  time.Time // event time of the last line taken; the place of a line that has none
	moved bool      // a line was taken since the positions were last committed
	stats *inputStats
}

// fill parses the next line if there is one that is not taken yet.
func (s *source) fill(now time.Time) bool {
	if s.have {
		return true
	}
	if s.dry { // without this, every line of one busy file would cost a read of each idle one
		return false
	}
	line, ok := s.stream.Next()
	if !ok {
		s.dry = true
		return false
	}
	s.line, s.have = line, true
	s.err = s.parser.Parse(line.Data, now, &s.event)
	if s.err != nil {
		s.event.Time = s.last
		return true
	}
	if s.event.Device == "" {
		s.event.Device = s.device
	}
	s.event.Ref = makeRef(line.File, line.Offset)
	return true
}

// take marks the next line as used.
func (s *source) take() {
	s.have, s.moved = false, true
	s.used = tail.Mark{File: s.line.File, Next: s.line.Next}
	if s.err == nil {
		s.last = s.event.Time
	}
}

// positions are those of the stream as of the last line taken.
func (s *source) positions() []tail.Position { return s.stream.Position(s.used) }

// next gives the source whose next line is the earliest by event time, or nil if no file has a
// complete line now. Files that are behind are so read side by side, and the logs of several firewalls
// combine as they would have live; with all files at their ends it is the order of arrival.
func next(sources []*source, now time.Time) *source {
	var first *source
	for _, s := range sources {
		if s.fill(now) && (first == nil || s.event.Time.Before(first.event.Time)) {
			first = s
		}
	}
	return first
}

// deviceOf is the device name that a file stands for: its name without the folder and `.log`.
func deviceOf(path string) string {
	return strings.TrimSuffix(filepath.Base(path), ".log")
}
