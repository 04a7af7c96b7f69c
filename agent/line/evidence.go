package line

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

const (
	evidenceLineLen = 4096            // bytes of one line that are kept
	evidenceTimeout = 3 * time.Second // for asking the store when a file is gone
)

// evidenceReader finds the log lines that a verdict rests on. They are read again from the files, where
// they were moments ago; of a line whose file is gone, the stored record is written out in its place.
type evidenceReader struct {
	files *files
	store *store.Store
}

// lines gives the evidence, oldest first, and notes in the verdict which port of ours it is about, and on a network which of its addresses were seen. by is the lane whose line completed the verdict, nil if there
// is none: its format is the best guess for a file of an earlier run.
func (r *evidenceReader) lines(v *detect.Verdict, by *lane, now time.Time) []store.Evidence {
	out := make([]store.Evidence, len(v.Evidence))
	from := make([]seen, len(v.Evidence))
	gone := make(map[uint64]int)
	for i, ref := range v.Evidence {
		at := placeOf(ref)
		line, err := r.files.lineAt(at)
		if err != nil {
			gone[ref] = i
			continue
		}
		out[i], from[i] = r.read(line, at, by, v, now)
	}
	if len(gone) > 0 {
		r.fromRecords(out, from, gone, v)
	}
	if !v.Source.IsSingleIP() {
		v.Addresses = newest(from)
	}
	v.Port = portOf(from)
	return out
}

// mostAddresses is how many addresses of a network a verdict names.
const mostAddresses = 16

// newest gives distinct addresses, those at the end of the list first.
func newest(list []seen) (addresses []netip.Addr) {
	for _, s := range slices.Backward(list) {
		if a := s.source; a.IsValid() && !slices.Contains(addresses, a) && len(addresses) < mostAddresses {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

// seen are the ends of a record: the one that a verdict is on, and the port of the other.
type seen struct {
	source netip.Addr
	port   uint16
}

// endsOf tells them.
func endsOf(v *detect.Verdict, src netip.Addr, srcPort uint16, dst netip.Addr, dstPort uint16) seen {
	switch {
	case v.Source.Contains(src):
		return seen{src, dstPort}
	case v.Source.Contains(dst):
		return seen{dst, srcPort}
	}
	return seen{}
}

// portOf is the port that all records have which can be read; see [detect.Verdict].
func portOf(list []seen) int {
	port := 0
	for _, s := range list {
		switch {
		case s.port == 0 || int(s.port) == port:
		case port != 0:
			return store.SeveralPorts
		default:
			port = int(s.port)
		}
	}
	return port
}

// read gives a line with its own time and device, and the ends that it names.
func (r *evidenceReader) read(line []byte, at Place, by *lane, v *detect.Verdict, now time.Time) (store.Evidence, seen) {
	ev := detect.Event{Time: v.Time, Device: v.Device}
	l := r.files.origin[at.Origin]
	if l == nil {
		l = by
	}
	if l != nil {
		parser := l.parsers.take()
		if err := parser.Parse(line, now, &ev); err != nil {
			ev.Time, ev.Device = v.Time, v.Device
		} else {
			l.nameDevice(&ev)
		}
		l.parsers.give(parser)
	}
	return store.Evidence{Time: ev.Time, Device: ev.Device, Line: string(line[:min(len(line), evidenceLineLen)])}, endsOf(v, ev.Src, ev.SrcPort, ev.Dst, ev.DstPort)
}

// fromRecords writes out the stored records of lines whose file is gone.
func (r *evidenceReader) fromRecords(out []store.Evidence, from []seen, gone map[uint64]int, v *detect.Verdict) {
	ctx, cancel := context.WithTimeout(context.Background(), evidenceTimeout)
	defer cancel()
	filter := store.RecordFilter{Conditions: store.Conditions{Src: []netip.Prefix{v.Source}, Since: v.FirstSeen, Until: v.LastSeen.Add(time.Microsecond)}, AtOnce: true}
	err := r.store.Records(ctx, filter, func(rec *store.Record) error {
		ref := Place{rec.File, rec.Offset}.ref()
		if at, ok := gone[ref]; ok {
			out[at], from[at] = store.Evidence{Time: rec.Time, Device: rec.Device, Line: recordLine(rec)}, endsOf(v, rec.Src, rec.SrcPort, rec.Dst, rec.DstPort)
			delete(gone, ref)
		}
		return nil
	})
	for ref, at := range gone {
		place := placeOf(ref)
		text := fmt.Sprintf("(the line at offset %d of file %d can no longer be read)", place.Offset, place.Origin)
		if err != nil {
			text += " (" + err.Error() + ")"
		}
		out[at] = store.Evidence{Time: v.Time, Device: v.Device, Line: text}
	}
}

// recordLine writes a record in the key=value format that firewalls are asked to send.
func recordLine(r *store.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SrcLocation=%s; SrcIP=%s; SrcPort=%d; SrcUser=%s; DstLocation=%s; DstIP=%s; DstPort=%d; ",
		r.SrcCountry, r.Src, r.SrcPort, r.SrcUser, r.DstCountry, addrText(r.Dst), r.DstPort)
	fmt.Fprintf(&b, "Action=%s; RuleName=%s; RuleID=%s; TimeReceived=%s; ThreatName=%s; ThreatID=%s; Severity=%s; Subtype=%s; Type=%s;",
		r.Action, r.Rule, r.RuleID, r.Time.UTC().Format(time.RFC3339), r.ThreatName, r.ThreatID, r.Severity, r.Subtype, r.Type)
	return b.String()
}

// addrText writes an address, and nothing for one that is missing.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
