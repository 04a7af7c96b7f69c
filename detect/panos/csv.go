package panos

import (
	"time"

	"activedefense/detect"
)

// columns says where TRAFFIC and THREAT records hold what we read, counting from 0
// at the leading FUTURE_USE. Columns are only ever added at the end, by releases
// and by patches, so their number says nothing; absent is empty (PAN-OS
// documentation, "Traffic Log Fields" and "Threat Log Fields", 6.1 to 11.1).
type columns struct {
	threat, severity, direction int // -1: the log has none
	srcRegion, dstRegion        int
	device, ruleID, precise     int
}

const (
	colReceived  = 1
	colType      = 3
	colSubtype   = 4
	colSrc       = 7
	colDst       = 8
	colRule      = 11
	colUser      = 12
	colSrcPort   = 24
	colDstPort   = 25
	colAction    = 30
	minColumns   = 26
	maxColumns   = 108
	noSuchColumn = -1
)

var (
	trafficColumns = columns{
		threat: noSuchColumn, severity: noSuchColumn, direction: noSuchColumn,
		srcRegion: 41, dstRegion: 42, device: 52, ruleID: 65, precise: 102,
	}
	threatColumns = columns{
		threat: 32, severity: 34, direction: 35,
		srcRegion: 38, dstRegion: 39, device: 59, ruleID: 76, precise: 107,
	}
)

// parseCSV reads a record in the default format.
func (p *Parser) parseCSV(h *header, at time.Time, ev *detect.Event) error {
	s := &p.csv
	s.reset(h.body)
	if s.upTo(colType + 1); s.n <= colReceived {
		return ErrTruncated
	}
	received := s.raw(colReceived)
	if len(received) > 10 && received[10] == 'T' {
		return ErrCloudFormat
	}
	if s.n <= colType {
		return ErrTruncated
	}
	c := &trafficColumns
	ev.Type = recordType(s.raw(colType))
	switch ev.Type {
	case detect.TypeThreat:
		c = &threatColumns
	case detect.TypeUnknown:
		if isLogName(s.raw(colType)) {
			return ErrIgnored
		}
		return ErrNoFormat
	}
	if s.upTo(c.ruleID + 1); s.n < minColumns {
		return ErrTruncated
	}
	if err := setEndpoints(ev, p.plain(colSrc), p.plain(colSrcPort), p.plain(colDst), p.plain(colDstPort)); err != nil {
		return err
	}
	p.labels(c, h, ev)
	p.setCSVTime(c, h, at, ev)
	return nil
}

// labels sets the fields that are text.
func (p *Parser) labels(c *columns, h *header, ev *detect.Event) {
	n := &p.names
	ev.SrcUser = n.user.get(p.column(colUser))
	ev.SrcCountry = n.region.get(p.column(c.srcRegion))
	ev.DstCountry = n.region.get(p.column(c.dstRegion))
	ev.Action = n.action.get(p.column(colAction))
	ev.Rule = n.rule.get(p.column(colRule))
	ev.RuleID = n.ruleID.get(p.column(c.ruleID))
	ev.Subtype = n.subtype.get(p.column(colSubtype))
	ev.Severity = n.severity.get(p.column(c.severity))
	ev.Direction = direction(p.column(c.direction))
	name, id := splitThreat(p.column(c.threat))
	ev.ThreatName = n.threat.get(name)
	ev.ThreatID = n.threatID.get(id)
	device := p.column(c.device)
	if len(device) == 0 {
		device = h.host
	}
	ev.Device = n.device.get(device)
}

// setCSVTime looks at the high-resolution time, far to the right, only if it has to.
func (p *Parser) setCSVTime(c *columns, h *header, at time.Time, ev *detect.Event) {
	if t, ok := p.clock.parse(p.column(colReceived)); ok {
		ev.Time = t.UTC()
		return
	}
	p.csv.upTo(c.precise + 1)
	p.setTime(ev, p.column(c.precise), h, at)
}

// column gives a value trimmed and out of its quotes; nothing if the record does not
// have it. It is good until the next call.
func (p *Parser) column(i int) []byte {
	b := p.csv.raw(i)
	if len(b) > 0 && p.csv.at[i].doubled {
		p.buf = undouble(p.buf[:0], b)
		b = p.buf
	}
	return trimLeft(trimRight(b))
}

// plain gives a value trimmed, for columns that hold no quotes.
func (p *Parser) plain(i int) []byte { return trimLeft(trimRight(p.csv.raw(i))) }

// isLogName says whether b could be the name of a log: SYSTEM, HIP-MATCH and so on.
func isLogName(b []byte) bool {
	if len(b) < 3 || len(b) > 32 {
		return false
	}
	for _, c := range b {
		if !isLetter(c) && c != '-' && c != '_' && c != ' ' {
			return false
		}
	}
	return true
}
