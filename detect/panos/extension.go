package panos

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos/extension"
)

// Faults of records in CEF and LEEF.
var (
	// ErrOtherProduct: it is not of PAN-OS or Strata Logging Service.
	ErrOtherProduct = extension.ErrOther
	// ErrExtensionHeader: it is cut off in its header, or has another one.
	ErrExtensionHeader = extension.ErrHeader
)

// keyed is a record in CEF or LEEF.
type keyed struct {
	p *Parser
	h *header
	x *extension.Reader
}

// parseExtension reads a record in CEF or LEEF. See package extension for whom its values are to be believed.
func (p *Parser) parseExtension(h *header, at time.Time, ev *detect.Event) error {
	x := &p.extension
	var err error
	if h.kind == kindLEEF {
		err = x.LEEF(h.body)
	} else {
		err = x.CEF(h.body)
	}
	if err != nil {
		return err
	}
	r := keyed{p: p, h: h, x: x}
	log := x.Log()
	if h.kind == kindLEEF {
		log = x.Either(extension.Category, extension.Type)
	}
	ev.Type = recordType(log)
	device := x.Value(extension.Device)
	if len(device) == 0 {
		device = h.host
	}
	if ev.Type == detect.TypeThreat && x.HasContents() && x.AheadOfContents(extension.Device) && !x.Ahead(extension.Device) && !x.Certain(extension.Device) {
		device = h.host // of several one stands behind a user, who may have written it
	}
	ev.Device = p.names.device.get(device)
	switch {
	case ev.Type != detect.TypeUnknown:
		return r.session(at, ev)
	case equalFold(log, "GLOBALPROTECT"):
		return r.globalProtect(at, ev)
	case equalFold(log, "SYSTEM"):
		return r.system(at, ev)
	case isLogName(log):
		return ErrIgnored
	}
	return ErrTruncated
}

// session sets what a TRAFFIC or THREAT record holds.
func (r *keyed) session(at time.Time, ev *detect.Event) error {
	x, n := r.x, &r.p.names
	action := x.Value(extension.Action)
	if r.h.kind == kindLEEF && ev.Type == detect.TypeTraffic && (x.Cloud() || isAction(x.Signature())) {
		action = x.Signature() // where a site has another event, and no key, what was done is not known
	}
	if len(action) == 0 || !x.Has(extension.DstPort) {
		return ErrTruncated
	}
	if ev.Type == detect.TypeThreat {
		if err := r.cutOff(); err != nil {
			return err
		}
	}
	src, certain := r.source()
	if !certain {
		return ErrUncertain
	}
	srcPort := x.Value(extension.SrcPort)
	dst, dstPort := x.Either(extension.Dst, extension.DstIPv6), x.Value(extension.DstPort)
	if err := setEndpoints(ev, src, srcPort, dst, dstPort); err != nil {
		return err
	}
	ev.NATSrc, ev.NATSrcPort = translated(src, srcPort, x.Value(extension.NATSrc), x.Value(extension.NATSrcPort))
	ev.NATDst, ev.NATDstPort = translated(dst, dstPort, x.Value(extension.NATDst), x.Value(extension.NATDstPort))
	ev.Protocol = protocol(x.Value(extension.Protocol))
	if x.Certain(extension.User) || x.Ahead(extension.User) {
		r.p.setUser(ev, r.unescaped(x.Value(extension.User)))
	}
	ev.SrcCountry = n.region.get(x.Value(extension.SrcRegion))
	ev.DstCountry = n.region.get(x.Value(extension.DstRegion))
	ev.Action = n.action.get(action)
	ev.Rule = n.rule.get(r.labelled(extension.Rule, extension.RuleLabel, "Rule"))
	ev.RuleID = n.ruleID.get(x.Value(extension.RuleID))
	ev.Application = n.application.get(x.Value(extension.Application))
	ev.SrcZone = n.zone.get(r.labelled(extension.SrcZone, extension.SrcZoneLabel, "Source Zone", "Src Zone", "FromZone"))
	ev.DstZone = n.zone.get(r.labelled(extension.DstZone, extension.DstZoneLabel, "Destination Zone", "Dst Zone", "ToZone"))
	// PAN-OS's templates have no such key, and behind contents anybody may have written it, the client of a proxy included.
	if client, ok := forwardedClient(x.Value(extension.Client)); ok && x.Cloud() && x.AheadOfContents(extension.Client) {
		ev.Client = client
	}
	if ev.Type == detect.TypeThreat {
		r.setThreat(ev)
	} else {
		ev.Subtype = n.subtype.get(r.subtype())
		ev.EndReason = n.endReason.get(x.Value(extension.EndReason))
		ev.Traffic = r.traffic()
	}
	return r.p.setGenerated(ev, r.times(), r.h, at)
}

// cutOff gives the fault of a THREAT record that was cut off, or may have been: ErrTruncated, ErrUncertainThreat or nil.
func (r *keyed) cutOff() error {
	switch {
	case r.isCutOff():
		return ErrTruncated
	case !r.x.HasContents():
	case !r.x.IsClosed() && (r.isExcused() || r.isSlight()), isCutLength(len(r.h.body)) && r.isExcused():
		return ErrUncertainThreat
	}
	return nil
}

// isCutOff says whether a THREAT record lacks what the templates have behind its action and its contents: an address of a page may be so long that a relay cut off what follows. In
// LEEF that is the severity, too, and in PAN-OS's CEF the subtype of a threat, of which "vulnerability" may be cut. A direction behind contents in a record that ends within one may be their
// writer's: it is not known.
func (r *keyed) isCutOff() bool {
	x := r.x
	switch {
	case x.Last(extension.Action), x.HasContents() && !x.Cloud() && !x.Has(extension.Direction):
		return true
	case r.h.kind == kindLEEF && x.Last(extension.Severity) && x.Last(extension.SeverityNumber):
		return true
	case x.HasContents() && !x.AheadOfContents(extension.Direction) && x.IsOpen():
		return true
	case x.Has(extension.Direction) && x.Last(extension.Direction) && direction(x.Value(extension.Direction)) == detect.DirectionUnknown,
		x.Has(extension.DirectionLabel) && x.Last(extension.DirectionLabel) && x.Has(extension.Direction) && r.direction() == detect.DirectionUnknown:
		return true // within the direction or its label, or the name of the key behind it
	case x.Cloud() && x.HasContents() && !x.Has(extension.Direction) && x.Has(extension.ThreatID) && x.Last(extension.ThreatID) && (!isThreat(x.Value(extension.ThreatID)) || isCutLength(len(r.h.body))):
		return true // within the threat ahead of it, likewise; a site may have no direction, and end there
	}
	if r.h.kind == kindLEEF || x.Cloud() || !bytes.HasSuffix(x.Signature(), []byte{')'}) {
		return false
	}
	subtype := x.Value(extension.Category)
	return x.Last(extension.Category) && len(subtype) < len(vulnerability) && hasPrefix([]byte(vulnerability), string(subtype))
}

// isThreat says whether b is a threat as Strata has it: a number, by itself or in parentheses at the end.
func isThreat(b []byte) bool {
	_, id := splitThreat(b)
	return id != nil || isNumber(b)
}

// isCutLength says whether a record has as many bytes as one that a relay cut off: whole messages are cut to 1,024 bytes (RFC 3164), 2,048 (RFC 5424), 4,096 or 8,192 (rsyslog), of which a syslog
// header takes some.
func isCutLength(n int) bool {
	for limit := 1024; limit <= 8192; limit *= 2 {
		if n <= limit && n > limit-longestHeader {
			return true
		}
	}
	return false
}

// longestHeader bounds the syslog headers that relays count, of RFC 5424 with a long name of the host.
const longestHeader = 128

// isExcused says whether a THREAT record tells of no attack by a subtype or direction that stands behind contents: their writer may have put that there, with so much behind it that a relay cut
// the true one off. That is believed only where the record ends as the templates do, and is not as long as what relays cut off.
func (r *keyed) isExcused() bool {
	subtype, certain := r.writtenSubtype()
	switch {
	case bytes.EqualFold(subtype, []byte("scan")): // which counts in any direction, and has no contents of its own
		return false
	case !hasPrefix(subtype, vulnerability):
		return !certain
	}
	return !r.x.AheadOfContents(extension.Direction) && r.direction() == detect.ServerToClient
}

// isSlight is isExcused by a severity below high. Such threats count for some rules, above all refused logins, so a record that ends as the templates do is believed whatever its length.
func (r *keyed) isSlight() bool {
	x := r.x
	if subtype, _ := r.writtenSubtype(); !hasPrefix(subtype, vulnerability) {
		return false
	}
	if r.h.kind == kindCEF && (!x.Cloud() || !x.Has(extension.Severity)) || x.AheadOfContents(extension.Severity) || x.AheadOfContents(extension.SeverityNumber) {
		return false // it is the header's, or ahead
	}
	severity := r.severity()
	return !bytes.EqualFold(severity, severities[3]) && !bytes.EqualFold(severity, severities[4])
}

// writtenSubtype is a threat's, and whether it stands where no contents can hold it.
func (r *keyed) writtenSubtype() (subtype []byte, certain bool) {
	x := r.x
	subtype, certain = x.Signature(), true
	switch {
	case r.h.kind == kindLEEF:
		return x.Value(extension.Subtype), x.AheadOfContents(extension.Subtype)
	case !x.Cloud() && bytes.HasSuffix(subtype, []byte{')'}):
		subtype, certain = x.Value(extension.Category), x.AheadOfContents(extension.Category)
		if !x.Certain(extension.Category) {
			subtype = []byte(vulnerability) // as setThreat has it
		}
	}
	return subtype, certain
}

// vulnerability is the subtype of THREAT records that tell of attacks.
const vulnerability = "vulnerability"

// isAction says whether b could be what the firewall did with a session, as PAN-OS's templates of LEEF have it for the event.
func isAction(b []byte) bool {
	return hasPrefix(b, "allow") || hasPrefix(b, "deny") || hasPrefix(b, "drop") || hasPrefix(b, "reset")
}

// source gives the source address as text, and whether it is certain that no stranger wrote it. Records of sessions over IPv6
// have it in a key of its own; Strata's may have it in both, equal or one of them empty.
func (r *keyed) source() (b []byte, certain bool) {
	x := r.x
	v4, v6 := x.Value(extension.Src), x.Value(extension.SrcIPv6)
	switch {
	case len(v4) > 0 && x.First(extension.Src):
		return v4, true
	case len(v6) > 0 && x.First(extension.SrcIPv6):
		return v6, true
	case !x.Certain(extension.Src) || !x.Certain(extension.SrcIPv6):
		return nil, false
	case len(v4) == 0 || len(v6) == 0:
		return x.Either(extension.Src, extension.SrcIPv6), true
	}
	one, ok := parseAddr(v4)
	other, also := parseAddr(v6)
	return v4, ok && also && one == other
}

// labelled gives a value whose key is CEF's for anything, if its label is missing or one of those that PAN-OS and Strata write.
func (r *keyed) labelled(f, label extension.Field, names ...string) []byte {
	x := r.x
	if x.AsTrusted(label, f) {
		text := x.Value(label)
		for _, name := range names {
			if string(text) == name {
				return x.Value(f)
			}
		}
		return nil
	}
	return x.Value(f)
}

// subtype gives the subtype of a TRAFFIC record or of a login.
func (r *keyed) subtype() []byte {
	if r.h.kind == kindLEEF {
		return r.x.Value(extension.Subtype)
	}
	return r.x.Signature()
}

// traffic reads what a session carried. PAN-OS's template of CEF has what the client sent in "in", Strata in "out".
func (r *keyed) traffic() detect.Traffic {
	x := r.x
	sent, received := x.Value(extension.BytesSent), x.Value(extension.BytesReceived)
	if r.h.kind == kindCEF {
		if sent, received = x.Value(extension.In), x.Value(extension.Out); x.Cloud() {
			sent, received = received, sent
		}
	}
	return counters(sent, received, x.Value(extension.PacketsSent), x.Value(extension.PacketsReceived))
}

// setThreat sets what THREAT records alone have.
func (r *keyed) setThreat(ev *detect.Event) {
	x, n := r.x, &r.p.names
	subtype, threat := r.threat()
	if r.h.kind == kindCEF && !x.Cloud() && !x.Certain(extension.Category) && string(subtype) != "scan" && bytes.HasSuffix(x.Signature(), []byte{')'}) {
		subtype = []byte(vulnerability) // of several, any of which a stranger may have written to hide an attack, that which counts
	}
	if r.h.kind == kindCEF && hasPrefix(subtype, vulnerability+" ") { // and a part of the next key
		subtype = subtype[:len(vulnerability)]
	}
	ev.Subtype = n.subtype.get(subtype)
	name, id := splitThreat(r.unescaped(threat))
	if isNumber(threat) {
		name, id = nil, threat
	}
	ev.ThreatName, ev.ThreatID = n.threat.get(name), n.threatID.get(id)
	ev.Severity = n.severity.get(r.severity())
	ev.Direction = r.direction()
	if x.Certain(extension.ThreatCategory) && (r.h.kind == kindCEF || x.Cloud() || x.AheadOfContents(extension.ThreatCategory)) { // PAN-OS's template of LEEF 1.0 has none
		ev.Category = n.category.get(x.Value(extension.ThreatCategory))
	}
}

// direction gives the direction: of several that differ, any of which a stranger may have written to hide an attack, none, so that the record counts.
func (r *keyed) direction() detect.Direction {
	if len(r.labelled(extension.Direction, extension.DirectionLabel, "Direction", "DirectionOfAttack")) == 0 {
		return detect.DirectionUnknown
	}
	var found [3]bool
	r.x.Each(extension.Direction, func(text []byte) { found[direction(text)] = true })
	switch {
	case found[detect.ClientToServer] && !found[detect.ServerToClient]:
		return detect.ClientToServer
	case found[detect.ServerToClient] && !found[detect.ClientToServer]:
		return detect.ServerToClient
	}
	return detect.DirectionUnknown
}

// threat gives the subtype and the threat of a THREAT record. PAN-OS's template of threats has the threat in the header of CEF and the subtype
// in "cat", those of URL, data and WildFire have it the other way round; Strata has the subtype in the header.
func (r *keyed) threat() (subtype, threat []byte) {
	x := r.x
	signature, category := x.Signature(), x.Value(extension.Category)
	switch {
	case r.h.kind == kindLEEF:
		if _, id := splitThreat(signature); id != nil {
			return x.Value(extension.Subtype), signature
		}
		return x.Value(extension.Subtype), x.Value(extension.ThreatID)
	case x.Cloud():
		if threat = x.Value(extension.ThreatID); len(threat) == 0 && isNumber(category) {
			threat = category
		}
		return signature, threat
	case !isSubtype(signature):
		return category, signature
	}
	if isSubtype(category) || !x.Certain(extension.Category) {
		category = nil
	}
	return signature, category
}

// isSubtype says whether b could be the subtype of a THREAT record: letters and dashes, such as "ml-virus".
func isSubtype(b []byte) bool {
	for _, c := range b {
		if c-'a' >= 26 && c != '-' {
			return false
		}
	}
	return len(b) > 0
}

// severity gives the severity: of several words and numbers any of which a stranger may have written, who would hide an attack, the worst; a word that is none where there
// is no other. The number in CEF's header stands ahead of strangers, but Strata has written another one there than its word says, so that a word that is certain goes before it; not where a high
// or critical one is lowered behind contents, where a relay may have cut the true word off.
func (r *keyed) severity() []byte {
	x := r.x
	var worst []byte
	grade := -1
	if x.Cloud() || r.h.kind == kindLEEF {
		x.Each(extension.Severity, func(word []byte) {
			g := slices.IndexFunc(severities[:], func(known []byte) bool { return bytes.EqualFold(word, known) })
			if g > grade || len(worst) == 0 {
				worst, grade = word, max(g, grade)
			}
		})
	}
	number := func(b []byte) {
		if len(b) == 1 && b[0] >= '1' && b[0] <= '5' && int(b[0]-'1') > grade {
			grade = int(b[0] - '1')
			worst = severities[grade]
		}
	}
	switch {
	case r.h.kind == kindLEEF:
		x.Each(extension.SeverityNumber, number)
	case grade < 0 || !x.Certain(extension.Severity) || !x.AheadOfContents(extension.Severity) && string(x.HeaderSeverity()) >= "4":
		number(x.HeaderSeverity())
	}
	return worst
}

// severities are those that PAN-OS numbers, from 1 on.
var severities = [...][]byte{[]byte("informational"), []byte("low"), []byte("medium"), []byte("high"), []byte("critical")}

// times gives the times of a record. devTime of LEEF is when the firewall received it, of Strata's when the record was generated. PAN-OS's templates do not
// have all of them: where a stranger may have supplied one it is not read, and of several none.
func (r *keyed) times() recordTimes {
	x := r.x
	var t recordTimes
	if x.Ahead(extension.Received) {
		t.received = x.Value(extension.Received)
	}
	if r.isGenerated() {
		t.generated = x.Value(extension.Generated)
	}
	if sent := x.Value(extension.Sent); r.h.kind == kindLEEF && x.Ahead(extension.Sent) && len(sent) > 0 {
		if x.Cloud() {
			t.generated = sent
		} else {
			t.received = sent
		}
	}
	t.precise = x.Value(extension.Precise)
	switch {
	case x.Ahead(extension.Precise):
	case x.Cloud() && !x.Certain(extension.Precise), !x.Cloud() && (len(t.generated) == 0 || !x.AheadOfContents(extension.Precise)):
		t.precise = nil
	}
	zone := x.Value(extension.Zone)
	if !x.Ahead(extension.Zone) {
		zone = nil
	}
	if string(zone) == "UTC" || string(zone) == "GMT" || len(zone) == 0 && x.Cloud() {
		if bytes.Equal(t.precise, t.generated) {
			t.precise = nil
		}
		if t.generated, t.precise = r.inUTC(0, t.generated), r.inUTC(1, t.precise); len(t.generated) == 0 {
			t.received = r.inUTC(0, t.received)
		}
	}
	return t
}

// isGenerated says whether the time of generation is the firewall's: it stands ahead of all strangers, as in most templates, or, behind users, in TRAFFIC records, whose users write none behind it,
// or is the only one, of Strata's longer records or of a site that has no other time.
func (r *keyed) isGenerated() bool {
	x := r.x
	switch {
	case x.Ahead(extension.Generated):
		return true
	case x.Cloud():
		return x.Certain(extension.Generated)
	}
	return x.AheadOfContents(extension.Generated) && (equalFold(x.Log(), "TRAFFIC") || x.Certain(extension.Generated) && !x.Ahead(extension.Received))
}

// inUTC gives a time that has no zone of its own one.
func (r *keyed) inUTC(i int, b []byte) []byte {
	const utc = " UTC"
	buf, last := &r.p.zoned[i], len(b)-1
	switch {
	case len(b) < len("2025/1/1 0:00:00"), len(b)+len(utc) > len(buf), b[last]-'0' >= 10, len(b) > 20 && (b[last-5] == '+' || b[last-5] == '-'):
		return b
	}
	n := copy(buf[:], b)
	n += copy(buf[n:], utc)
	return buf[:n]
}

// unescaped takes the backslashes of CEF off, where there are some: ahead of an equals sign, a bar or another one. It is good until the
// next call.
func (r *keyed) unescaped(b []byte) []byte {
	if r.h.kind != kindCEF || bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	r.p.buf = r.p.buf[:0]
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) && (b[i+1] == '=' || b[i+1] == '|' || b[i+1] == '\\') {
			i++
		}
		r.p.buf = append(r.p.buf, b[i])
	}
	return r.p.buf
}

// globalProtect sets what a GLOBALPROTECT record holds. The user stands ahead of the client's address, and what his program says of itself
// behind it: where either holds another address, none is certain.
func (r *keyed) globalProtect(at time.Time, ev *detect.Event) error {
	x, n := r.x, &r.p.names
	ev.Type = detect.TypeGlobalProtect
	event := x.Value(extension.Event)
	if r.h.kind == kindLEEF && !x.Ahead(extension.Event) {
		event = x.Signature()
	}
	if len(event) == 0 || !x.Has(extension.Status) || !x.Has(extension.PublicIP) && !x.Has(extension.PublicIPv6) {
		return ErrTruncated
	}
	if r.h.kind == kindCEF && !x.Cloud() && !x.Ahead(extension.Device) { // PAN-OS's template has none
		ev.Device = n.device.get(r.h.host)
	}
	var uncertain error
	status := x.Value(extension.Status)
	ev.Src = netip.Addr{}
	if x.Certain(extension.PublicIP) && x.Certain(extension.PublicIPv6) && x.Certain(extension.Status) && x.Certain(extension.Event) {
		if err := setClient(ev, x.Value(extension.PublicIP), x.Value(extension.PublicIPv6)); err != nil {
			return err
		}
	} else {
		uncertain, status = ErrUncertainLogin, []byte(failure)
	}
	ev.Subtype = n.subtype.get(event)
	ev.Action = n.action.get(status)
	if x.Ahead(extension.Method) { // else he may have written it, for a login by cookie does not count
		ev.Application = n.application.get(x.Value(extension.Method))
	}
	ev.SrcUser = n.user.get(r.unescaped(x.Value(extension.User)))
	ev.SrcCountry = ""
	if x.Certain(extension.ClientRegion) {
		ev.SrcCountry = n.region.get(x.Value(extension.ClientRegion))
	}
	for _, f := range [...]extension.Field{extension.Error, extension.Description, extension.Reason} {
		if ev.EndReason == "" {
			ev.EndReason = n.endReason.get(r.unescaped(x.Value(f)))
		}
	}
	if x.Certain(extension.Repeat) {
		r.setRepeat(ev, x.Value(extension.Repeat))
	}
	return cmp.Or(r.p.setGenerated(ev, r.times(), r.h, at), uncertain)
}

// setRepeat multiplies the messages by the events of the record. Strata has written such numbers with their bytes in the
// other order, 16777216 for 1 (its documentation's own examples).
func (r *keyed) setRepeat(ev *detect.Event, b []byte) {
	const swapped = 1 << 24
	if n, ok := counter(b); ok && n%swapped == 0 && n/swapped < 256 {
		if n /= swapped; n > 1 {
			ev.Repeat = uint32(min(uint64(ev.Repeat)*n, maxRepeat))
		}
		return
	}
	setRepeat(ev, b)
}

// system sets what a SYSTEM record holds, if it is of a login. Where it does not name the event, which Strata's do not in a way that
// is documented, the text decides.
func (r *keyed) system(at time.Time, ev *detect.Event) error {
	x := r.x
	subtype, event := r.subtype(), x.Value(extension.Category)
	if r.h.kind == kindLEEF {
		event = x.Signature()
	}
	status, known := loginEvent(subtype, event)
	if !known && (len(event) == 0 || x.Cloud()) {
		_, known = loginEvent([]byte("general"), []byte("general"))
		event = nil
	}
	if !known {
		return ErrIgnored
	}
	if !x.Has(extension.Message) {
		return ErrTruncated
	}
	description := r.unescaped(x.Value(extension.Message))
	if n := len(description); n > 1 && description[0] == '"' && description[n-1] == '"' {
		description = description[1 : n-1]
	}
	err := r.p.setLogin(ev, status, description)
	switch {
	case err == nil && !r.isClosed():
		ev.Src, ev.Action, err = netip.Addr{}, r.p.names.action.get([]byte(failure)), ErrUncertainLogin
	case err != nil && err != ErrCut:
		return err
	}
	if len(event) == 0 {
		event = []byte("auth-fail")
		if ev.Action == success {
			event = []byte("auth-success")
		}
	}
	ev.Subtype = r.p.names.subtype.get(event)
	ev.Severity = r.p.names.severity.get(r.severity())
	return cmp.Or(r.p.setGenerated(ev, r.times(), r.h, at), err)
}

// isClosed says whether it is certain that the firewall ended the description of a SYSTEM record, and not the user in it with the key that ends it
// in the templates, which a site may have left out. Then the rest of the true text stands behind, or it was so long that PAN-OS cut that off: where both together are
// so long, the key behind has to be that of PAN-OS's template, and the only one.
func (r *keyed) isClosed() bool {
	message, rest := r.x.Value(extension.Message), r.x.BehindMessage()
	for _, mark := range [...]string{fromMark, reasonMark, details[0], loggedIn} {
		if bytes.Contains(rest, []byte(mark)) {
			return false
		}
	}
	if r.x.Cloud() || len(rest) == 0 || len(message)+len(rest) < fullDescription {
		return true
	}
	next, at := " cat=", 0
	if r.h.kind == kindLEEF {
		next, at = "ActionFlags=", len("|")
	}
	_, rest, _ = bytes.Cut(rest, []byte{'='})
	for len(rest) > 0 && rest[0]-'0' < 10 {
		rest = rest[1:]
	}
	return bytes.Index(rest, []byte(next)) == at && bytes.Count(rest, []byte(next)) == 1 && (r.h.kind == kindLEEF || !r.x.Ahead(extension.Category))
}
