package policy

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

// missingSteps gives the steps that are missing. It looks through the eyes of Verify, so that what the one finds
// lacking is what the other makes.
func missingSteps(f *Facts, want Expectation) []Step {
	p := &provisioner{verifier: newVerifier(f, want), vsys: xmlapi.VSysPath(f.VSys), joined: map[string]bool{}, borrowed: map[string]bool{}, local: map[string]bool{}}
	if p.want.Mode != firewall.ModeList {
		p.tag()
	}
	sources, list := p.source(), p.list()
	p.sendTo = p.server()
	profile := p.forwarding()
	p.logins()
	if len(p.zones.unknown) > 0 {
		p.person(ObjectZones, fmt.Sprintf("The firewall has no zone %s; it has %s. ", quoteAll(p.zones.unknown), zoneList(p.p.zones))+p.zonesRemedy())
	}
	if len(p.zones.zones) == 0 {
		if len(p.zones.unknown) == 0 {
			p.person(ObjectZones, fmt.Sprintf("No rules are planned, for %s; the firewall has %s. ", p.zones, zoneList(p.p.zones))+p.zonesRemedy())
		}
		return ofPanorama{p}.decided()
	}
	if p.want.Mode == firewall.ModeList {
		sources, list = p.modeList(list), ""
	}
	if list != "" { // each goes to the top, so that what is planned last is the first
		p.dropBlocked(p.want.Names.Listed, []string{list}, p.listed, profile)
	}
	p.dropBlocked(p.want.Names.Block, sources, p.block, profile)
	p.split()
	nameOurs(p, sources, list)
	p.orderBlocks(profile)
	p.sensorRule(profile)
	p.internet(profile)
	return ofPanorama{p}.decided()
}

// provisioner gathers steps.
type provisioner struct {
	*verifier
	vsys   string          // xpath
	sendTo []string        // syslog server profiles that send to us, those in Shared first
	local  map[string]bool // those of them that are in the virtual system
	joined map[string]bool // log forwarding profiles of others that send to us, too
	steps  []Step

	untrusted bool            // our CA is trusted only once somebody else's certificate or profile is adopted, and so no list is fetched before
	borrowed  map[string]bool // groups and lists that are somebody else's until they are adopted, and so are the rules that name them
	tagged    []string        // address objects of others that a group of ours matches, for they bear our tag: to stop them waits for who adopts
}

// ObjectZones is the object of the step in which a person says which zones face the internet: where it cannot be told, no rules are
// planned.
const ObjectZones = "zones"

// ObjectRole is the object of the step in which a person gives our administrator a right without which nothing is written.
const ObjectRole = "administrator role"

// ObjectPair is the object of the step in which a person has the active member of a pair get what the passive one lacks.
const ObjectPair = "HA pair"

func (p *provisioner) step(action, object, name, detail string, foreign bool, edits ...xmlapi.Edit) *Step {
	p.steps = append(p.steps, Step{
		Firewall: p.f.Firewall, Action: action, Object: object + " " + quoteAll([]string{name}), Detail: detail, Foreign: foreign, edits: edits,
	})
	return &p.steps[len(p.steps)-1]
}

func (p *provisioner) create(object, name, detail, list string, entry *xmlapi.Node) *Step {
	return p.step(ActionCreate, object, name, detail, false, xmlapi.Set(list, entry))
}

// person is a step that we cannot take.
func (p *provisioner) person(object, detail string) {
	p.steps = append(p.steps, Step{Firewall: p.f.Firewall, Action: ActionPerson, Object: object, Detail: detail})
}

// tag makes the tag object, unless it is there or planned. Registered addresses need none; it has the name and the comment.
func (p *provisioner) tag() {
	n, object := p.want.Names, "tag "+quoteAll([]string{p.want.Names.Tag})
	if p.p.scopes.find(n.Tag, "tag").Node == nil && !slices.ContainsFunc(p.steps, func(s Step) bool { return s.Object == object }) {
		p.create("tag", n.Tag, "comment: owned by Active Defense", p.vsys+"/tag", n.TagEntry())
	}
}

// source makes the group that stands for the blocked addresses in rules, and gives its names; none in ModeList.
func (p *provisioner) source() []string {
	if p.want.Mode == firewall.ModeList {
		return nil
	}
	var names []string
	for _, s := range p.sources {
		if (ofPanorama{p}).forRules(s.list(), s.name, p.block) {
			continue
		}
		names = append(names, s.name)
		if p.want.Mode == firewall.ModeTag {
			p.matching(s.name, p.p.scopes.find(s.name, "address-group").Value("dynamic", "filter"))
		}
		if g := p.p.scopes.find(s.name, "address-group").Node; p.want.Mode == firewall.ModeGroup && !(owned{p}).ourGroup(g) { // a rule stops what others put into it
			p.borrowed[s.name] = true
		}
	}
	if len(names) == 0 && p.group() {
		names = append(names, p.want.Names.Group)
	}
	return names
}

// matching notes that a group matches address objects of others.
func (p *provisioner) matching(group, filter string) {
	others := p.p.tagged(p.want.Names, filter)
	for _, name := range others {
		if !slices.Contains(p.tagged, name) {
			p.tagged = append(p.tagged, name)
		}
	}
	p.borrowed[group] = p.borrowed[group] || len(others) > 0
}

// stopsTagged says which address objects of others a rule with our group stops, too; "": none.
func (p *provisioner) stopsTagged() string {
	if len(p.tagged) == 0 {
		return ""
	}
	return fmt.Sprintf("; it stops address %s as well, which we did not make: our group matches what bears the tag %s", quoteAll(p.tagged), p.want.Names.Tag)
}

// modeList gives the lists that block in ModeList, one that is made included.
func (p *provisioner) modeList(made string) (names []string) {
	for _, s := range p.sources {
		if !forPanorama(p.verifier, s.list(), s.name) {
			names = append(names, s.name)
		}
	}
	if made != "" && !slices.Contains(names, made) {
		names = append(names, made)
	}
	return names
}

// group makes the group, and tells whether a rule may name it.
func (p *provisioner) group() bool {
	n := p.want.Names
	if other := p.p.namesake("address-group", n.Group); other != "" {
		p.taken("address group", n.Group, other)
		return false
	}
	existing := p.p.scopes.find(n.Group, "address-group")
	if p.want.Mode == firewall.ModeGroup && existing.Node != nil && existing.scope.path == xmlapi.SharedPath { // ours holds objects of the virtual system
		p.taken("address group", n.Group, fmt.Sprintf("address group %s (%s)", quoteAll([]string{n.Group}), existing.scope))
		return false
	}
	if existing.Node != nil && existing.scope.pushed {
		p.person("address group "+quoteAll([]string{n.Group}), "Panorama pushed a different group of that name; rename or delete it there.")
		return false
	}
	entry, detail := xmlapi.NamedEntry(n.Group, xmlapi.Element("dynamic", xmlapi.Leaf("filter", "'"+n.Tag+"'"))), "dynamic, filter '"+n.Tag+"'"
	var before []xmlapi.Edit
	if p.want.Mode == firewall.ModeGroup {
		entry, detail = xmlapi.NamedEntry(n.Group, xmlapi.MemberList("static", n.Nobody), xmlapi.MemberList("tag", n.Tag)), "static, with "+n.Nobody+" so that it is never empty"
		nobody := p.p.scopes.find(n.Nobody, "address")
		other := p.p.namesake("address", n.Nobody)
		if nobody.Node != nil && !isMember(n, nobody.Node) {
			other = fmt.Sprintf("address object %s (%s), which is not 192.0.2.255", quoteAll([]string{n.Nobody}), nobody.scope)
		}
		if other != "" {
			p.taken("address", n.Nobody, other)
			return false
		}
		if nobody.Node == nil {
			before = append(before, xmlapi.Set(p.vsys+"/address", n.NobodyEntry()))
		}
	}
	if p.want.Mode == firewall.ModeTag {
		p.matching(n.Group, "'"+n.Tag+"'")
	}
	if existing.Node == nil {
		p.step(ActionCreate, "address group", n.Group, detail, false, append(before, xmlapi.Set(p.vsys+"/address-group", entry))...)
		return true
	}
	// As another mode left it, it is ours; else it is somebody's, and so is a rule that names it.
	foreign := p.borrowed[n.Group] || !owned{p}.ourGroup(existing.Node)
	p.borrowed[n.Group] = foreign
	at := existing.scope.path + "/address-group" + xmlapi.EntryNamed(n.Group)
	p.step(ActionChange, "address group", n.Group, fmt.Sprintf("%s, in place of the group of that name %s, which is %s", detail, existing.scope, groupText(existing.Node))+p.stopsTagged(), foreign,
		append(before, xmlapi.Replace(at, entry))...)
	return true
}

// groupText tells what an address group is, for a reader.
func groupText(g *xmlapi.Node) string {
	if g.Child("dynamic") != nil {
		return "dynamic, filter " + quoteAll([]string{g.Value("dynamic", "filter")})
	}
	return "static, with " + quoteAll(g.Child("static").Members())
}

// taken leaves to a person an object of ours whose name a rule could take for somebody else's. No rule is made that names it.
func (p *provisioner) taken(kind, name, other string) {
	p.person(kind+" "+quoteAll([]string{name}), fmt.Sprintf("There is an %s, and a rule that names %s could mean that: rename it, or give this firewall another tag (firewalls[].tag), "+
		"which our names follow from. No rule is planned for it before.", other, quoteAll([]string{name})))
}

// list makes the external dynamic list with what it takes to trust us, and gives its name; "": none is wanted, or can be.
func (p *provisioner) list() string {
	n, url := p.want.Names, p.want.ListURL
	if url == "" {
		if p.want.Mode == firewall.ModeList {
			p.person("external dynamic list", "Set edl.url to the URL at which the firewalls reach the list.")
		}
		return ""
	}
	lists := ofPanorama{p}.withoutTheirs(append(p.p.lists(url), followURL(p)...))
	name := n.List
	if len(lists) > 0 {
		name = lists[0].Attr("name")
	}
	if other := p.p.namesake("external-list", name); other != "" {
		p.taken("external dynamic list", name, other)
		return ""
	}
	var trust findings
	if len(lists) > 0 {
		listChecks{p.verifier}.listAuthority(&trust, lists[0])
		if len(trust.fails) == 0 {
			return lists[0].Attr("name")
		}
	}
	if old := p.p.scopes.find(n.CertProf, "certificate-profile"); len(lists) > 0 && !lists[0].scope.inVSys && old.scope.inVSys {
		p.person("external dynamic list "+quoteAll([]string{name}), "It is in Shared, and can name no certificate profile of a virtual system, as "+quoteAll([]string{n.CertProf})+" is: "+
			"make one with Location Shared that has our CA (ca.crt of state_dir) as CA certificate (Device > Certificate Management > Certificate Profile), and select that: "+strings.Join(trust.fails, "; ")+".")
		return name
	}
	if !p.authority() {
		return ""
	}
	existing := p.p.scopes.find(n.List, "external-list")
	if len(lists) == 0 && existing.Node != nil && existing.Value("type", "ip", "certificate-profile") != n.CertProf {
		p.person("external dynamic list "+quoteAll([]string{n.List}), "There is another list of that name, which is not fetched from "+url+": rename it, or give this firewall another tag.")
		return ""
	}
	if p.borrowed[n.List] = p.untrusted; len(lists) == 0 {
		owned{p}.ownList(existing)
		return n.List
	}
	at := lists[0].scope.path + "/external-list" + xmlapi.EntryNamed(name) + "/type/ip/certificate-profile"
	if lists[0].scope.pushed {
		var change panorama.Change
		level := ofPanorama{p}.levelOfObject(lists[0].Node)
		if ca := (ofPanorama{p}).remoteAuthority(); ca != nil {
			list := panorama.LevelPath(level) + "/external-list" + xmlapi.EntryNamed(name) + "/type/ip"
			change.Edits = append(ca, xmlapi.Set(list, xmlapi.Leaf("certificate-profile", n.CertProf)))
		}
		ofPanorama{p}.step("external dynamic list "+quoteAll([]string{name}), "On Panorama: "+strings.Join(trust.remedies, " "), p.f.place.Reach(level)+"; "+p.f.place.ReachOfTemplate(), true, change).made = "on Panorama, certificate profile " + n.CertProf + ", which trusts our CA: " + strings.Join(trust.fails, "; ")
		return name
	}
	if lists[0].Value("type", "ip", "certificate-profile") == n.CertProf {
		return name // what it trusts has changed
	}
	p.step(ActionChange, "external dynamic list", name, "certificate profile "+n.CertProf+": "+strings.Join(trust.fails, "; "), name != n.List || p.untrusted,
		xmlapi.Replace(at, xmlapi.Leaf("certificate-profile", n.CertProf)))
	return name
}

// followURL has lists of ours be fetched from where edl.url says by now, and gives them: they are as if they were already.
func followURL(p *provisioner) (lists []placed) {
	for _, l := range p.p.scopes.all("external-list") {
		if !isFormerList(l.Node, p.want) {
			continue
		}
		lists = append(lists, l)
		name, url := l.Attr("name"), p.want.ListURL
		detail := fmt.Sprintf("fetched from %s, in place of %s, which edl.url is not any more: until then what stands in its last copy is dropped, also after its release",
			url, withoutSecrets(l.Value("type", "ip", "url"), url))
		if !l.scope.pushed {
			at := l.scope.path + "/external-list" + xmlapi.EntryNamed(name) + "/type/ip/url"
			p.step(ActionChange, "external dynamic list", name, detail, false, xmlapi.Replace(at, xmlapi.Leaf("url", url)))
			continue
		}
		level := ofPanorama{p}.levelOfObject(l.Node)
		at := panorama.LevelPath(level) + "/external-list" + xmlapi.EntryNamed(name)
		there := p.f.standing[at]
		ofPanorama{p}.step("external dynamic list "+quoteAll([]string{name}), "On Panorama: "+detail, p.f.place.Reach(level), name == p.want.Names.List || there != nil && !owned{p}.ourList(there),
			panorama.Change{Edits: []xmlapi.Edit{xmlapi.Set(at+"/type/ip", xmlapi.Leaf("url", url))}})
	}
	return lists
}

// ownList makes the list of our name, or has the one that is there be fetched from us: that is somebody else's before.
func (p owned) ownList(existing placed) {
	n, url := p.want.Names, p.want.ListURL
	detail, entry := "IP list from "+url+" every five minutes, with certificate profile "+n.CertProf, listEntry(n.List, url, n.CertProf)
	if existing.Node == nil || existing.scope.pushed {
		p.create("external dynamic list", n.List, detail, p.vsys+"/external-list", entry).Foreign = p.untrusted
		return
	}
	p.borrowed[n.List] = true
	p.step(ActionChange, "external dynamic list", n.List, detail+", in place of "+withoutSecrets(existing.Value("type", "ip", "url"), url), true,
		xmlapi.Replace(existing.scope.path+"/external-list"+xmlapi.EntryNamed(n.List), entry))
}

// listEntry is an external dynamic list of ours.
func listEntry(name, url, profile string) *xmlapi.Node {
	return xmlapi.NamedEntry(name, xmlapi.Element("type", xmlapi.Element("ip", xmlapi.Leaf("url", url), xmlapi.Leaf("certificate-profile", profile), xmlapi.Element("recurring", xmlapi.Element("five-minute")))))
}

// authority makes our CA known to the firewall; false: it cannot be done.
//
// The certificate is imported as a file and not written as an edit, so that the firewall itself fills in what belongs to it.
func (p *provisioner) authority() bool {
	n := p.want.Names
	if p.want.CA == nil {
		p.person("certificate profile", "The list uses your own certificate: import its CA on the firewall, create a certificate profile with it, and an external dynamic list of "+p.want.ListURL+" with that profile.")
		return false
	}
	if have, ok := p.p.authorities(n.CertProf); ok && holdsCertificate(have, p.want.CA) {
		return true
	}
	if p.f.throughPanorama {
		ofPanorama{p}.step("certificate "+quoteAll([]string{n.CA}), "No file can be imported on a firewall through Panorama: import ca.crt of state_dir under that name on the firewall itself (Device > Certificate Management > Certificates), "+
			"or in its template, as the commands for Panorama do, with a certificate profile "+quoteAll([]string{n.CertProf})+" that has it as CA certificate", p.f.place.ReachOfTemplate(), false, panorama.Change{Edits: ofPanorama{p}.remoteAuthority()}).made = "on Panorama, our CA into template " + p.f.place.Template + ", with a certificate profile " + quoteAll([]string{n.CertProf}) +
			" that trusts it: no file can be imported on a firewall through Panorama"
		return false
	}
	return p.certificate() && p.certificateProfile()
}

// certificate imports our CA, which goes to Shared.
func (p *provisioner) certificate() bool {
	n := p.want.Names
	old := p.p.scopes.find(n.CA, "certificate")
	have := decodePEM(old.Value("public-key"))
	switch {
	case holdsCertificate(have, p.want.CA):
		return true
	case old.Node != nil && old.scope.inVSys && !old.scope.pushed:
		p.person("certificate "+quoteAll([]string{n.CA}), "There is another one of that name "+old.scope.String()+", which hides the one that would be imported: rename it, or give this firewall another tag (firewalls[].tag), which our names follow from.")
		return false
	}
	action, detail, foreign := ActionCreate, "our CA, which signs the list's certificate", false
	if old.Node != nil && !old.scope.pushed {
		action, detail, foreign = ActionChange, "our current CA", !isOurCA(have, p.want.CA)
		if foreign {
			detail = "our CA, in place of the one of that name " + old.scope.String() + subjects(have)
		}
	}
	p.untrusted = p.untrusted || foreign
	p.step(action, "certificate", n.CA, detail+", imported as a file straight into the candidate configuration", foreign, xmlapi.ImportCertificate(n.CA, p.want.CA))
	return true
}

// certificateProfile makes the one that trusts our CA, or has the one of our name trust it.
func (p *provisioner) certificateProfile() bool {
	n := p.want.Names
	old := p.p.scopes.find(n.CertProf, "certificate-profile")
	entry := xmlapi.NamedEntry(n.CA)
	others := old.Child("CA").Members() // that it trusts
	for _, e := range old.Child("CA").Entries() {
		others = append(others, e.Attr("name"))
	}
	if slices.Contains(others, n.CA) {
		return true
	}
	switch object := "certificate profile " + quoteAll([]string{n.CertProf}); {
	case old.Node == nil:
		p.create("certificate profile", n.CertProf, "trusts "+n.CA, sharedProfiles, xmlapi.NamedEntry(n.CertProf, xmlapi.Element("CA", entry)))
	case old.scope.pushed:
		p.person(object, "On Panorama: have it trust our CA (ca.crt of state_dir) as well, or rename it.")
		return false
	default:
		detail := "also trusts " + n.CA + "; the profile " + old.scope.String() + " is somebody else's"
		if len(others) > 0 {
			detail += ", and trusts " + quoteAll(others)
		}
		p.untrusted = true
		p.step(ActionChange, "certificate profile", n.CertProf, detail, true, xmlapi.Set(old.scope.path+"/certificate-profile"+xmlapi.EntryNamed(n.CertProf)+"/CA", entry))
	}
	return true
}

// holdsCertificate tells whether a certificate of a PEM text is among others.
func holdsCertificate(have [][]byte, text []byte) bool {
	return slices.ContainsFunc(decodePEM(string(text)), func(ours []byte) bool {
		return slices.ContainsFunc(have, func(der []byte) bool { return bytes.Equal(der, ours) })
	})
}

// isOurCA tells whether a certificate is an earlier CA of ours: it has the same organization and begins with the same common name, behind
// which ours has a number, or has the same subject.
func isOurCA(have [][]byte, text []byte) bool {
	const name = "Active Defense CA "
	for _, der := range have {
		old, err := x509.ParseCertificate(der)
		if err == nil && (strings.HasPrefix(old.Subject.CommonName, name) || slices.ContainsFunc(decodePEM(string(text)), func(ours []byte) bool {
			c, err := x509.ParseCertificate(ours)
			return err == nil && bytes.Equal(c.RawSubject, old.RawSubject)
		})) {
			return true
		}
	}
	return false
}

// subjects names certificates for a reader, behind a comma.
func subjects(have [][]byte) (text string) {
	for _, der := range have {
		if c, err := x509.ParseCertificate(der); err == nil {
			text += ", " + c.Subject.String()
		}
	}
	return text
}
