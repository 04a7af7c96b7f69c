package panos

import (
	"bytes"
	"time"

	"activedefense/detect"
)

// columns says where TRAFFIC and THREAT records hold what we read, counting from 0
// at the leading FUTURE_USE. Columns are only ever added at the end, by releases
// and by patches, so their number says nothing; absent is empty (PAN-OS
// documentation, "Traffic Log Fields" and "Threat Log Fields", 6.1 to 11.1).
type columns struct {
	threat, severity, direction, category int // -1: the log has none
	srcRegion, dstRegion                  int
	bytesSent, bytesReceived              int
	packetsSent, packetsReceived          int
	endReason, headers                    int
	forwarded                             int // the header X-Forwarded-For as it came
	device, ruleID, client, precise       int
}

const (
	colReceived   = 1
	colType       = 3
	colSubtype    = 4
	colGenerated  = 6
	colSrc        = 7
	colDst        = 8
	colNATSrc     = 9
	colNATDst     = 10
	colRule       = 11
	colUser       = 12
	colApp        = 14
	colSrcZone    = 16
	colDstZone    = 17
	colSrcPort    = 24
	colDstPort    = 25
	colNATSrcPort = 26
	colNATDstPort = 27
	colProtocol   = 29
	colAction     = 30
	freeText      = 31 // from here on stand what strangers sent: addresses of pages, agents, subjects, headers
	minColumns    = 26
	maxColumns    = 108
	noSuchColumn  = -1
)

var (
	trafficColumns = columns{
		threat: noSuchColumn, severity: noSuchColumn, direction: noSuchColumn, category: noSuchColumn,
		srcRegion: 41, dstRegion: 42, bytesSent: 32, bytesReceived: 33, packetsSent: 44, packetsReceived: 45,
		endReason: 46, headers: noSuchColumn, forwarded: noSuchColumn, device: 52, ruleID: 65, client: 75, precise: 102,
	}
	threatColumns = columns{
		threat: 32, severity: 34, direction: 35, category: 69,
		srcRegion: 38, dstRegion: 39, bytesSent: noSuchColumn, bytesReceived: noSuchColumn, packetsSent: noSuchColumn,
		packetsReceived: noSuchColumn, endReason: noSuchColumn, headers: 74, forwarded: 48, device: 59, ruleID: 76, client: 79, precise: 107,
	}
)

// parseCSV reads a record in the default format.
func (p *Parser) parseCSV(h *header, at time.Time, ev *detect.Event) error {
	s := &p.csv
	if s.split(h.body); s.n <= colReceived {
		return ErrTruncated
	}
	received := p.column(colReceived)
	if len(received) > 10 && received[10] == 'T' {
		return ErrCloudFormat
	}
	if s.n <= colType {
		return ErrTruncated
	}
	c := &trafficColumns
	ev.Type = recordType(p.column(colType))
	switch ev.Type {
	case detect.TypeThreat:
		c = &threatColumns
	case detect.TypeUnknown:
		return p.parseOtherCSV(h, at, ev)
	}
	if s.n < minColumns {
		return ErrTruncated
	}
	inPlace := p.distrust(c)
	if err := p.session(c, ev); err != nil {
		return err
	}
	p.labels(c, h, ev)
	if inPlace && !ev.Client.IsValid() {
		ev.Client = p.lastForwarded(c.forwarded)
	}
	return p.setGenerated(ev, recordTimes{received: p.column(colReceived), generated: p.column(colGenerated), precise: p.column(c.precise)}, h, at)
}

// parseOtherCSV reads a record of one of the logs that hold logins.
func (p *Parser) parseOtherCSV(h *header, at time.Time, ev *detect.Event) error {
	if equalFold(p.column(colType), "SYSTEM") {
		return p.systemCSV(h, at, ev)
	}
	if shift, ok := p.isGlobalProtect(); ok {
		return p.globalProtectCSV(shift, h, at, ev)
	}
	if isLogName(p.column(colType)) {
		return ErrIgnored
	}
	return ErrNoFormat
}

// distrust drops the columns behind one that was not quoted though it should have been: its commas moved them, and
// whoever chose it chose what stands there. Some firewalls write the HTTP headers of a THREAT record as they came. Those
// without a comma or a quote need no quotes, but nothing tells them from the others, so nothing is read behind any that
// has none. And where the rule's id is no UUID, its column is not where it should be. No stranger has a text so far
// right in TRAFFIC records. It tells whether the columns ahead are where they should be, too: the
// rule's id says so, where records of the version have one.
func (p *Parser) distrust(c *columns) (inPlace bool) {
	s := &p.csv
	s.n = min(s.n, s.loose+1)
	if c.headers == noSuchColumn {
		return false
	}
	older := s.n <= c.ruleID
	if b := s.raw(c.headers); len(b) > 0 && b[0] != '"' {
		s.n = c.headers + 1
	}
	id := p.column(c.ruleID)
	if len(id) > 0 && !isUUID(id) {
		s.n = c.ruleID
		return false
	}
	return older || len(id) > 0
}

// isUUID says whether b has the form of a UUID.
func isUUID(b []byte) bool {
	return len(b) == 36 && b[8] == '-' && b[13] == '-' && b[18] == '-' && b[23] == '-'
}

// session sets the fields that are addresses and numbers.
func (p *Parser) session(c *columns, ev *detect.Event) error {
	src, srcPort, dst, dstPort := p.column(colSrc), p.column(colSrcPort), p.column(colDst), p.column(colDstPort)
	if err := setEndpoints(ev, src, srcPort, dst, dstPort); err != nil {
		return err
	}
	ev.NATSrc, ev.NATSrcPort = translated(src, srcPort, p.column(colNATSrc), p.column(colNATSrcPort))
	ev.NATDst, ev.NATDstPort = translated(dst, dstPort, p.column(colNATDst), p.column(colNATDstPort))
	ev.Protocol = protocol(p.column(colProtocol))
	if c.bytesSent != noSuchColumn {
		ev.Traffic = counters(p.column(c.bytesSent), p.column(c.bytesReceived), p.column(c.packetsSent), p.column(c.packetsReceived))
	}
	return nil
}

// labels sets the fields that are text.
func (p *Parser) labels(c *columns, h *header, ev *detect.Event) {
	n := &p.names
	p.setUser(ev, p.column(colUser))
	ev.SrcCountry = n.region.get(p.column(c.srcRegion))
	ev.DstCountry = n.region.get(p.column(c.dstRegion))
	ev.Action = n.action.get(p.column(colAction))
	ev.Rule = n.rule.get(p.column(colRule))
	ev.RuleID = n.ruleID.get(p.column(c.ruleID))
	ev.Application = n.application.get(p.column(colApp))
	ev.SrcZone = n.zone.get(p.column(colSrcZone))
	ev.DstZone = n.zone.get(p.column(colDstZone))
	ev.Subtype = n.subtype.get(p.column(colSubtype))
	if ev.Type == detect.TypeThreat {
		ev.Severity = n.severity.get(p.column(c.severity))
		ev.Direction = direction(p.column(c.direction))
		ev.Category = n.category.get(p.column(c.category))
		name, id := splitThreat(p.column(c.threat))
		ev.ThreatName = n.threat.get(name)
		ev.ThreatID = n.threatID.get(id)
	} else {
		ev.EndReason = n.endReason.get(p.column(c.endReason))
	}
	p.setDevice(ev, c.device, h)
	if client, ok := forwardedClient(p.column(c.client)); ok {
		ev.Client = client
	}
}

// column gives a value trimmed and out of its quotes; nothing if the record does not
// have it. It is good until the next call.
func (p *Parser) column(i int) []byte {
	b := p.csv.raw(i)
	if len(b) == 0 {
		return nil
	}
	// Most values have nothing to be taken off.
	if b[0] > ' ' && b[0] != '"' && b[len(b)-1] > ' ' {
		return b
	}
	if b[0] == '"' {
		if b = b[1 : len(b)-1]; bytes.IndexByte(b, '"') >= 0 {
			p.buf = undouble(p.buf[:0], b)
			b = p.buf
		}
	}
	return trimLeft(trimRight(b))
}

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
