package extension

import (
	"bytes"
	"strings"
)

// template has keys of a published template in their order, of which users and contents have some: those that tell which of several equal keys is the firewall's.
type template struct {
	place map[*node]int  // from 0 on
	first [numFields]int // the place of a field's key
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
		"rt duser duid PanOSSeverity suser suid PanOSThreatCategory PanOSURL PanOSUsers start src dst suser0 duser0 app spt dpt proto act filePath PanOSThreatID flexString2 flexString2Label externalId",
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

// closing are the keys behind the last content in the templates of THREAT, but for those that strangers choose.
var closing = [...]string{
	"dvchost", "PanOSTunnelType", "PanOSThreatCategory", "PanOSContentVer", "PanOSAssocID", "PanOSPPID", "PanOSURLCatList", "PanOSRuleUUID", "RuleUUID", "PanOSHTTP2Con", "PanDynamicUsrgrp", "TimeHighRes",
	// Strata's
	"PanOSSeverity", "PanOSX-Forwarded-ForIP", "PanOSTimeGeneratedHighResolution", "PanOSNSSAINetworkSliceType", "PanOSNSSAINetworkSliceDifferentiator",
	// LEEF
	"DeviceName", "TunnelType", "ThreatCategory", "ContentVer", "HTTP2Connection", "DynamicUserGroupName", "X-Forwarded-ForIP", "TimeGeneratedHighResolution",
}

// longestClosing is how long a value of theirs is at most: that of a name.
const longestClosing = 63

// longestLast is how long the last value of a record is at most that was not cut off within a content: that of a list of categories.
const longestLast = 255

// newTemplates makes templates of the keys that a map has.
func newTemplates(m map[string]*node, texts []string) []template {
	out := make([]template, len(texts))
	for i, text := range texts {
		t := &out[i]
		t.place = make(map[*node]int)
		for n, name := range strings.Fields(text) {
			k := m[name]
			t.place[k], t.first[k.field], t.has[k.field] = n, n, true
		}
	}
	return out
}

// token is a key where it stands in a record.
type token struct {
	key               *node
	start, value, end int
	beforeUnknown     bool // a key that is in no table follows
}

// tokens are those of a record, in their order.
type tokens []token

// mostTokens bounds the records in which equal keys are told apart; what the firewalls write has below 200.
const mostTokens = 256

// settle decides which of several equal keys is the firewall's, in a record that has all keys of a template in their order once the others are taken out. One is taken
// out only where it cannot be the firewall's, see canBeOurs, so that who writes any number of keys can leave it undecided, and no more.
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
			if !t.has[f] || !r.tokens.isComplete(t, f) {
				continue
			}
			if at := r.tokens.only(t, f); at >= 0 {
				found, chosen = found+1, r.tokens[at]
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
		r.tokens = append(r.tokens, token{key: k, start: start, value: at + 1, end: len(b)})
		k.times = 0
	}
	known := 0
	for _, t := range r.tokens {
		t.key.times++
		if t.key.class != unknown {
			r.tokens[known] = t
			known++
		} else if known > 0 {
			r.tokens[known-1].beforeUnknown = true
		}
	}
	r.tokens = r.tokens[:known]
	return true
}

// isComplete says whether the record has each key of a template once, but for those of a field, which it has once at least.
func (all tokens) isComplete(t *template, f Field) bool {
	seen := 0
	for i := range all {
		k := all[i].key
		if _, listed := t.place[k]; !listed || k.field == f && !all.isFirstOf(i) {
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
func (all tokens) isFirstOf(at int) bool {
	for i := range at {
		if all[i].key == all[at].key {
			return false
		}
	}
	return true
}

// only gives the one token of a field that the firewall can have written, if the others of the template are in their order with it; -1: there is none, or several.
func (all tokens) only(t *template, f Field) int {
	chosen := -1
	for i := range all {
		if !t.isOf(all[i].key, f) || !all.canBeOurs(t, f, i) {
			continue
		}
		if _, listed := t.place[all[i].key]; chosen >= 0 || !listed {
			return -1
		}
		chosen = i
	}
	last := -1
	for i := range all {
		if place, listed := t.place[all[i].key]; listed && (i == chosen || all[i].key.field != f) {
			if place < last {
				return -1
			}
			last = place
		}
	}
	return chosen
}

// isOf says whether a key is of a field, or of the other address of the source, where the template has one alone. Of users' keys it has one.
func (t *template) isOf(k *node, f Field) bool {
	_, listed := t.place[k]
	return k.field == f && (listed || f != User) || f == Src && k.field == SrcIPv6 && !t.has[SrcIPv6]
}

// canBeOurs says whether the firewall can have written a token, which is one of several of its field, if it kept to the order of the template and left out what it liked. What stands
// behind a value of its own it wrote, too, up to the next key whose value a stranger may have chosen: all that must be behind the field in the template. So must be, or
// ahead in both, the keys without which no record is read.
func (all tokens) canBeOurs(t *template, f Field, at int) bool {
	first := t.first[f]
	for i := at; !all.mayHoldMore(i) && i+1 < len(all); i++ {
		next := all[i+1].key
		if place, listed := t.place[next]; next == all[at].key || listed && place < first {
			return false
		}
	}
	for i := range all {
		k := all[i].key
		if place, listed := t.place[k]; listed && k.times == 1 && k.field != f && k.isRequired() && (i < at) != (place < first) {
			return false
		}
	}
	return true
}

// mayHoldMore says whether the next key may be a part of the value of a token. The second serial number in a record of GLOBALPROTECT is the client's.
func (all tokens) mayHoldMore(at int) bool {
	t := &all[at]
	return t.beforeUnknown || t.key.class != own && t.key.class != end || t.key.name == "PanOSDeviceSN"
}

// isRequired says whether no record of the logs that templates are of is read without the key.
func (n *node) isRequired() bool {
	return n.field == DstPort || n.field == Action || n.field == Status
}
