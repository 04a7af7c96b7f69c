package extension

import (
	"bytes"
	"strings"
)

// template has keys of a published template in their order, of which users and contents have some: those that tell which of several equal keys is the firewall's.
type template struct {
	place map[*node]int // from 0 on
	has   [numFields]bool
}

// The templates in which a field that matters stands behind what strangers write: see keys.go for whose they are.
var (
	cefTemplates = []string{
		// THREAT by the sections Threat, URL, Data and WildFire
		"rt suser duser app spt dpt proto act request cs2Label cs2 flexString2Label flexString2 PanOSActionFlags externalId cat fileId PanOSHTTPHeader PanOSRuleUUID",
		"PanOSEventID PanOSStage PanOSAuthMethod PanOSTunnelType PanOSSourceUserName PanOSSourceRegion PanOSEndpointDeviceName PanOSPublicIPv4 PanOSPublicIPv6 PanOSPrivateIPv4 PanOSPrivateIPv6 PanOSHostID " +
			"PanOSGlobalProtectClientVersion PanOSEndpointOSType PanOSEndpointOSVersion PanOSCountOfRepeats PanOSQuarantineReason PanOSConnectionError PanOSDescription PanOSEventStatus PanOSGPGatewayLocation " +
			"PanOSPortal PanOSSequenceNo PanOSActionFlags",
		// Strata's
		"rt suser duser app spt dpt proto act request PanOSThreatID flexString2 flexString2Label externalId PanOSSourceLocation PanOSDestinationLocation dvchost PanOSSeverity PanOSThreatCategory PanOSRuleUUID PanOSX-Forwarded-ForIP",
		"rt duser PanOSSeverity suser PanOSThreatCategory PanOSURL PanOSUsers start src dst suser0 duser0 app spt dpt proto act filePath PanOSThreatID flexString2 flexString2Label externalId",
		"rt PanOSEventIDValue PanOSStage PanOSAuthMethod PanOSSourceUserName PanOSSourceRegion PanOSEndpointDeviceName PanOSPublicIPv4 PanOSPublicIPv6 PanOSHostID PanOSEndpointOSType PanOSCountOfRepeats " +
			"PanOSQuarantineReason PanOSConnectionError PanOSDescription PanOSEventStatus PanOSConnectionErrorID PanOSPortal",
	}
	leefTemplates = []string{
		"cat Subtype usrName SourceUser DestinationUser Application srcPort dstPort proto action Miscellaneous ThreatID URLCategory sev Severity Direction sequence SourceLocation DestinationLocation ContentType Subject DeviceName",
		"EventID Stage AuthMethod usrName SourceRegion Machinename PublicIP PublicIPv6 PrivateIP Reason Error Description Status Portal",
		// Strata's
		"cat SubType usrName DestinationUser Application srcPort dstPort proto Action FileName VendorSeverity DirectionOfAttack SequenceNo ThreatCategory SourceLocation DestinationLocation DeviceName RuleUUID",
		"cat Stage AuthMethod usrName SourceRegion EndpointDeviceName PublicIPv4 PublicIPv6 HostID EndpointOSType CountOfRepeats QuarantineReason ConnectionError Description EventStatus ConnectionErrorID Portal",
	}
)

// newTemplates makes templates of the keys that a map has.
func newTemplates(m map[string]*node, texts []string) []template {
	out := make([]template, len(texts))
	for i, text := range texts {
		t := &out[i]
		t.place = make(map[*node]int)
		for n, name := range strings.Fields(text) {
			k := m[name]
			t.place[k], t.has[k.field] = n, true
		}
	}
	return out
}

// token is a key where it stands in a record.
type token struct {
	key               *node
	start, value, end int
}

// mostTokens bounds the records in which equal keys are told apart; what the firewalls write has below 200.
const mostTokens = 256

// settle decides which of several equal keys is the firewall's, where all but one of them can only be a stranger's: the record has the keys of a template in their order
// once the others are taken out, each of which stands right behind the key of a value that a stranger wrote; and so it is with no other of them. Who has written more than one key at
// a place, or one into a record whose template was cut short there, leaves it undecided.
func (r *Reader) settle(m *keyMap, separator byte) {
	if !r.tokenize(m, separator) {
		return
	}
	for f := Src; f < numFields; f++ {
		if s := &r.slots[f]; s.count == 0 || s.count == 1 && f != Src || f == Message || r.First(f) {
			continue
		}
		found, chosen := 0, token{}
		for i := range m.templates {
			t := &m.templates[i]
			if !t.has[f] || !r.isComplete(t, f) {
				continue
			}
			for c := range r.tokens {
				if _, listed := t.place[r.tokens[c].key]; listed && r.tokens[c].key.field == f && r.isOnly(t, f, c) {
					found, chosen = found+1, r.tokens[c]
				}
			}
		}
		if found == 1 {
			s := &r.slots[f]
			s.start, s.end, s.count, s.doubled = int32(chosen.value), int32(chosen.end), 1, false
			if f == Src && !r.First(SrcIPv6) {
				r.slots[SrcIPv6] = slot{}
			}
		}
	}
}

// tokenize finds all keys of the record; false: there are too many.
func (r *Reader) tokenize(m *keyMap, separator byte) bool {
	r.tokens = r.tokens[:0]
	b := r.text
	for at := 0; ; at++ {
		n := bytes.IndexByte(b[at:], '=')
		if n < 0 {
			break
		}
		at += n
		k, start := m.find(b, at, separator)
		if k == nil {
			continue
		}
		if len(r.tokens) == mostTokens {
			return false
		}
		if n := len(r.tokens); n > 0 {
			r.tokens[n-1].end = start - 1
		}
		r.tokens = append(r.tokens, token{k, start, at + 1, len(b)})
		k.times = 0
	}
	known := 0
	for _, t := range r.tokens {
		t.key.times++
		if t.key.class != unknown {
			r.tokens[known] = t
			known++
		}
	}
	r.tokens = r.tokens[:known]
	return true
}

// isComplete says whether the record has each key of a template once, but for those of a field, which it has once at least.
func (r *Reader) isComplete(t *template, f Field) bool {
	seen := 0
	for i := range r.tokens {
		k := r.tokens[i].key
		if _, listed := t.place[k]; !listed || k.field == f && !r.isFirstOf(i) {
			continue
		}
		if k.field != f && k.times > 1 {
			return false
		}
		seen++
	}
	return seen == len(t.place)
}

// isFirstOf says whether no token ahead has the same key.
func (r *Reader) isFirstOf(at int) bool {
	for i := range at {
		if r.tokens[i].key == r.tokens[at].key {
			return false
		}
	}
	return true
}

// isOnly says whether a token may be the only one of its field that the firewall wrote: see settle.
func (r *Reader) isOnly(t *template, f Field, chosen int) bool {
	last := -1
	for i := range r.tokens {
		k := r.tokens[i].key
		if i != chosen && (k.field == f || f == Src && k.field == SrcIPv6 && !t.has[SrcIPv6]) {
			if i == 0 || !r.isStrangers(i-1) {
				return false
			}
			continue
		}
		if place, listed := t.place[k]; listed {
			if place < last {
				return false
			}
			last = place
		}
	}
	return true
}

// isStrangers says whether a stranger chose the value of a token, whose key the firewall wrote. The second serial number in a record of GLOBALPROTECT is the client's.
func (r *Reader) isStrangers(at int) bool {
	k := r.tokens[at].key
	if k.name == "PanOSDeviceSN" {
		return k.times == 2 && !r.isFirstOf(at)
	}
	return k.class.isStrangers() && k.times == 1
}
