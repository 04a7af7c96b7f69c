package panos

import (
	"bytes"
	"cmp"
	"net/netip"
	"time"

	"activedefense/detect"
)

// Columns of a GLOBALPROTECT record from PAN-OS 9.1.3 on. The releases before have the sequence number and the action
// flags ahead of the type, so that all of these are moved by earlyShift, and end with the portal (PAN-OS documentation,
// "GlobalProtect Log Fields"; lines of other projects' tests).
const (
	gpGenerated   = 6
	gpEvent       = 8
	gpMethod      = 10
	gpUser        = 12
	gpRegion      = 13
	gpPublicIP    = 15
	gpPublicIPv6  = 16
	gpRepeat      = 24
	gpReason      = 25
	gpError       = 26
	gpDescription = 27
	gpStatus      = 28
	gpErrorCode   = 32
	gpPortal      = 33 // the last one of the shortest records
	gpSequence    = 34
	gpFlags       = 35
	gpPrecise     = 36
	gpDevice      = 47
	gpWidest      = gpPortal + gpPrecise - gpUser // columns at most, 51 being the most known: fewer than a row that a user moved up to the precise time behind itself
	earlyShift    = 2
)

// Columns of a SYSTEM record (PAN-OS documentation, "System Log Fields").
const (
	sysSubtype     = 4
	sysGenerated   = 6
	sysEvent       = 8
	sysSeverity    = 13
	sysDescription = 14
	sysSequence    = 15
	sysFlags       = 16 // the last one of the shortest records
	sysGroups      = 17 // four of them
	sysDevice      = 22
	sysPrecise     = 25
	sysWidest      = 28 // columns at most, 26 being the most known
)

// isGlobalProtect says whether a record is one of GLOBALPROTECT, and by how many columns it is moved.
func (p *Parser) isGlobalProtect() (shift int, ok bool) {
	for _, shift = range [...]int{0, earlyShift} {
		if equalFold(p.column(colType+shift), "GLOBALPROTECT") {
			return shift, true
		}
	}
	return 0, false
}

// globalProtectCSV reads a GLOBALPROTECT record in the default format.
func (p *Parser) globalProtectCSV(shift int, h *header, at time.Time, ev *detect.Event) error {
	if p.csv.n <= gpPortal+shift {
		return ErrTruncated // what is there might be what a user moved there
	}
	if !p.inPlace(shift) {
		return ErrColumns
	}
	ev.Type = detect.TypeGlobalProtect
	if err := setClient(ev, p.column(gpPublicIP+shift), p.column(gpPublicIPv6+shift)); err != nil {
		return err
	}
	n := &p.names
	ev.Subtype = n.subtype.get(p.column(gpEvent + shift))
	ev.Action = n.action.get(p.column(gpStatus + shift))
	ev.Application = n.application.get(p.column(gpMethod + shift))
	ev.SrcUser = n.user.get(p.column(gpUser + shift))
	ev.SrcCountry = n.region.get(p.column(gpRegion + shift))
	for _, c := range [...]int{gpError, gpDescription, gpReason} {
		if ev.EndReason == "" {
			ev.EndReason = n.endReason.get(p.column(c + shift))
		}
	}
	setRepeat(ev, p.column(gpRepeat+shift))
	times := recordTimes{received: p.column(colReceived), generated: p.column(gpGenerated + shift)}
	if shift == 0 {
		p.setDevice(ev, gpDevice, h)
		times.precise = p.column(gpPrecise)
	} else {
		ev.Device = n.device.get(h.host)
	}
	return p.setGenerated(ev, times, h, at)
}

// inPlace says whether the columns of a GLOBALPROTECT record are where they should be: users, names of machines and the
// like stand ahead of what matters, and a firewall that left the quotes away from one of them would let a comma of it
// move the rest. Who moves them by less than the whole row up to the precise time cannot have the numbers, the flags, the time and
// the status right at once; who moves them by more makes the record wider than any is.
func (p *Parser) inPlace(shift int) bool {
	s := &p.csv
	if s.odd < s.n || !p.areNumbers(gpRepeat+shift, gpErrorCode+shift) {
		return false
	}
	if status := p.column(gpStatus + shift); !equalFold(status, failure) && !equalFold(status, success) {
		return false
	}
	if shift != 0 {
		return s.n == gpPortal+shift+1 // the last of those releases' columns
	}
	precise := p.column(gpPrecise)
	return s.n <= gpWidest && (s.n <= gpSequence || p.areNumbers(gpSequence)) && (s.n <= gpFlags || hasPrefix(p.column(gpFlags), "0x")) && isoLength(precise) == len(precise)
}

// areNumbers says whether columns hold numbers, which may be below zero.
func (p *Parser) areNumbers(columns ...int) bool {
	for _, c := range columns {
		if !isNumber(bytes.TrimPrefix(p.column(c), []byte{'-'})) {
			return false
		}
	}
	return true
}

// systemCSV reads a SYSTEM record in the default format, if it is of a login.
func (p *Parser) systemCSV(h *header, at time.Time, ev *detect.Event) error {
	status, known := loginEvent(p.column(sysSubtype), p.column(sysEvent))
	if !known {
		return ErrIgnored
	}
	if p.csv.n <= sysDescription+1 {
		return ErrTruncated // with nothing behind it, a relay may have cut the description off where the user wanted
	}
	if !p.systemInPlace() {
		return ErrColumns
	}
	err := p.setLogin(ev, status, p.column(sysDescription))
	if err != nil && err != ErrCut {
		return err
	}
	n := &p.names
	ev.Subtype = n.subtype.get(p.column(sysEvent))
	ev.Severity = n.severity.get(p.column(sysSeverity))
	p.setDevice(ev, sysDevice, h)
	return cmp.Or(p.setGenerated(ev, recordTimes{received: p.column(colReceived), generated: p.column(sysGenerated), precise: p.column(sysPrecise)}, h, at), err)
}

// systemInPlace says whether the columns of a SYSTEM record are where they should be. The description holds what strangers choose, and so
// may the object ahead of it: see inPlace. Since PAN-OS 7.0 the name of the device stands in these records.
func (p *Parser) systemInPlace() bool {
	s := &p.csv
	if s.odd <= sysDescription || !p.areNumbers(sysSequence) || s.n > sysFlags && !hasPrefix(p.column(sysFlags), "0x") {
		return false
	}
	for c := sysGroups; c < sysGroups+4; c++ {
		if len(p.column(c)) > 0 && !p.areNumbers(c) {
			return false
		}
	}
	precise := p.column(sysPrecise)
	return s.n <= sysFlags+1 || s.n > sysDevice && s.n <= sysWidest && isoLength(precise) == len(precise)
}

// loginEvent says of which status the logins are that a SYSTEM event is about; "" if its text says it. False: the event is
// no login.
func loginEvent(subtype, event []byte) (status string, known bool) {
	switch string(event) {
	case "auth-fail":
		return failure, string(subtype) == "auth"
	case "auth-success":
		return success, string(subtype) == "auth"
	case "globalprotectportal-auth-fail", "globalprotectgateway-auth-fail":
		return failure, string(subtype) == "globalprotect"
	case "globalprotectportal-auth-succ", "globalprotectgateway-auth-succ":
		return success, string(subtype) == "globalprotect"
	case "general":
		return "", string(subtype) == "general"
	}
	return "", false
}

// setLogin sets what the description of a SYSTEM record says of a login of this status: of one that is cut off, that it failed.
func (p *Parser) setLogin(ev *detect.Event, status string, description []byte) error {
	n := &p.names
	t, err := readLogin(description)
	switch {
	case err == errNotLogin && status != failure:
		return ErrIgnored
	case err != nil: // a failure in words that are not known may well have a client
		ev.Type, ev.Action = detect.TypeSystem, n.action.get([]byte(failure))
		return ErrCut
	}
	ev.Type, ev.Src = detect.TypeSystem, t.client
	ev.Action = n.action.get([]byte(t.status))
	ev.SrcUser = n.user.get(t.user)
	ev.EndReason = n.endReason.get(t.reason)
	ev.Application = n.application.get(t.method)
	return nil
}

// setDevice sets the device from a column, else from the header.
func (p *Parser) setDevice(ev *detect.Event, column int, h *header) {
	device := p.column(column)
	if len(device) == 0 {
		device = h.host
	}
	ev.Device = p.names.device.get(device)
}

// setClient sets the source from the address of a client, which may be in either column. PAN-OS writes 0.0.0.0 into both
// where it has none; such a record has no source.
func setClient(ev *detect.Event, v4, v6 []byte) error {
	for _, b := range [...][]byte{v4, v6} {
		if len(b) == 0 {
			continue
		}
		a, ok := address(b)
		if !ok {
			return ErrBadAddress
		}
		if !a.IsUnspecified() {
			ev.Src = a
			return nil
		}
	}
	ev.Src = netip.Addr{}
	return nil
}

// setRepeat multiplies the messages that syslog merged by the events that the firewall did.
func setRepeat(ev *detect.Event, b []byte) {
	if count, ok := counter(b); ok && count > 1 {
		ev.Repeat = uint32(min(uint64(ev.Repeat)*min(count, maxRepeat), maxRepeat))
	}
}

// trimQuotes takes off a pair of apostrophes around a value.
func trimQuotes(b []byte) []byte {
	if n := len(b); n > 1 && b[0] == '\'' && b[n-1] == '\'' {
		return b[1 : n-1]
	}
	return bytes.TrimSpace(b)
}
