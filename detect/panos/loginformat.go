package panos

import (
	"bytes"
	"cmp"
	"time"

	"activedefense/detect"
)

// GlobalProtectFormat is the key=value format of the GlobalProtect section of a syslog server profile. What strangers
// choose is its last value.
const GlobalProtectFormat = "Type=$type; SrcIP=$public_ip; SrcIPv6=$public_ipv6; Event=$eventid; Status=$status; AuthMethod=$auth_method; " +
	"Repeat=$repeatcnt; TimeReceived=$receive_time; TimeGenerated=$time_generated; TimePrecise=$high_res_timestamp; SrcLocation=$srcregion; " +
	"Error=$error; Description=$opaque; SrcUser=$srcuser;"

// SystemFormat is the key=value format of the System section. Its last value is the text that holds user and address.
const SystemFormat = "Type=$type; Subtype=$subtype; Event=$eventid; Severity=$severity; TimeReceived=$receive_time; " +
	"TimeGenerated=$time_generated; TimePrecise=$high_res_timestamp; Description=$opaque;"

// The keys of the two formats, numbered in their order.
const (
	gkType = iota
	gkSrcIP
	gkSrcIPv6
	gkEvent
	gkStatus
	gkMethod
	gkRepeat
	gkReceived
	gkGenerated
	gkPrecise
	gkLocation
	gkError
	gkDescription
	gkUser
	globalProtectKeys
)

const (
	skType = iota
	skSubtype
	skEvent
	skSeverity
	skReceived
	skGenerated
	skPrecise
	skDescription
	systemKeys
)

// loginKey is a key and the variable that a firewall prints as it stands if it does not know it.
type loginKey struct{ name, variable string }

var globalProtectTable = [globalProtectKeys]loginKey{
	gkType: {"Type", "$type"}, gkSrcIP: {"SrcIP", "$public_ip"}, gkSrcIPv6: {"SrcIPv6", "$public_ipv6"}, gkEvent: {"Event", "$eventid"},
	gkStatus: {"Status", "$status"}, gkMethod: {"AuthMethod", "$auth_method"}, gkRepeat: {"Repeat", "$repeatcnt"},
	gkReceived: {"TimeReceived", "$receive_time"}, gkGenerated: {"TimeGenerated", "$time_generated"}, gkPrecise: {"TimePrecise", "$high_res_timestamp"},
	gkLocation: {"SrcLocation", "$srcregion"}, gkError: {"Error", "$error"}, gkDescription: {"Description", "$opaque"}, gkUser: {"SrcUser", "$srcuser"},
}

var systemTable = [systemKeys]loginKey{
	skType: {"Type", "$type"}, skSubtype: {"Subtype", "$subtype"}, skEvent: {"Event", "$eventid"}, skSeverity: {"Severity", "$severity"},
	skReceived: {"TimeReceived", "$receive_time"}, skGenerated: {"TimeGenerated", "$time_generated"}, skPrecise: {"TimePrecise", "$high_res_timestamp"},
	skDescription: {"Description", "$opaque"},
}

// loginValues have room for those of either format.
type loginValues [globalProtectKeys][]byte

// parseLogin reads a record in one of the two formats; false if it is in neither, as the records of these logs are in which a
// site has other keys.
//
// A value runs to the first place where the next key stands. Only the last one holds what strangers choose, so that they
// can neither end a value ahead of it nor put a key there.
func (p *Parser) parseLogin(h *header, at time.Time, ev *detect.Event) (ours bool, err error) {
	v, table := &p.login, globalProtectTable[:]
	found := valuesOf(h.body, table, v)
	if found < 2 || !equalFold(bytes.TrimSpace(v[gkType]), "GLOBALPROTECT") {
		table = systemTable[:]
		if found = valuesOf(h.body, table, v); found < 2 || !equalFold(bytes.TrimSpace(v[skType]), "SYSTEM") {
			return false, nil
		}
	}
	if found < len(table) {
		return true, ErrTruncated
	}
	for i, k := range table {
		v[i] = loginValue(v[i], k.variable)
	}
	ev.Device = p.names.device.get(h.host)
	if len(table) == systemKeys {
		return true, p.systemKV(v, h, at, ev)
	}
	return true, p.globalProtectKV(v, h, at, ev)
}

// valuesOf finds the keys of a table in their order, and says how many there are up to the first that is missing.
func valuesOf(b []byte, table []loginKey, v *loginValues) (found int) {
	b, ok := afterKey(b, table[0].name)
	for i := range table {
		if !ok {
			return i
		}
		if i+1 == len(table) {
			v[i] = bytes.TrimSuffix(b, []byte{';'})
			return i + 1
		}
		v[i], b, ok = untilKey(b, table[i+1].name)
		if !ok {
			v[i] = untilSemicolon(v[i])
			return i + 1
		}
	}
	return len(table)
}

// untilKey gives what stands ahead of the first place where a key follows a semicolon, and what stands behind its equals
// sign; false and all if there is none.
func untilKey(b []byte, name string) (value, rest []byte, found bool) {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], ';')
		if i < 0 {
			return b, nil, false
		}
		i += from
		from = i + 1
		if rest, found = afterKey(b[from+separatorSpace(b[from:]):], name); found {
			return b[:i], rest, true
		}
	}
}

// afterKey gives what stands behind a key's equals sign if b begins with it.
func afterKey(b []byte, name string) ([]byte, bool) {
	if !hasPrefix(b, name) {
		return nil, false
	}
	if b = trimLeft(b[len(name):]); len(b) == 0 || b[0] != '=' {
		return nil, false
	}
	return b[1:], true
}

// loginValue trims a value, and empties it if it is the name of its variable.
func loginValue(b []byte, variable string) []byte {
	b = trimLeft(trimRight(b))
	if string(b) == variable || len(b) > 0 && b[0] == '\\' && string(b[1:]) == variable {
		return nil
	}
	return b
}

// globalProtectKV sets what a GLOBALPROTECT record holds.
func (p *Parser) globalProtectKV(v *loginValues, h *header, at time.Time, ev *detect.Event) error {
	if len(v[gkEvent]) == 0 {
		return ErrTruncated
	}
	ev.Type = detect.TypeGlobalProtect
	if err := setClient(ev, v[gkSrcIP], v[gkSrcIPv6]); err != nil {
		return err
	}
	n := &p.names
	ev.Subtype = n.subtype.get(v[gkEvent])
	ev.Action = n.action.get(v[gkStatus])
	ev.Application = n.application.get(v[gkMethod])
	ev.SrcUser = n.user.get(v[gkUser])
	ev.SrcCountry = n.region.get(v[gkLocation])
	if ev.EndReason = n.endReason.get(v[gkError]); ev.EndReason == "" {
		ev.EndReason = n.endReason.get(v[gkDescription])
	}
	setRepeat(ev, v[gkRepeat])
	return p.setGenerated(ev, recordTimes{received: v[gkReceived], generated: v[gkGenerated], precise: v[gkPrecise]}, h, at)
}

// systemKV sets what a SYSTEM record holds, if it is of a login.
func (p *Parser) systemKV(v *loginValues, h *header, at time.Time, ev *detect.Event) error {
	status, known := loginEvent(v[skSubtype], v[skEvent])
	if !known {
		return ErrIgnored
	}
	err := p.setLogin(ev, status, v[skDescription])
	if err != nil && err != ErrCut {
		return err
	}
	ev.Subtype = p.names.subtype.get(v[skEvent])
	ev.Severity = p.names.severity.get(v[skSeverity])
	return cmp.Or(p.setGenerated(ev, recordTimes{received: v[skReceived], generated: v[skGenerated], precise: v[skPrecise]}, h, at), err)
}
