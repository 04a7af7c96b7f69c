package policy

import (
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
	p := &provisioner{verifier: newVerifier(f, want), vsys: xmlapi.VSysPath(f.VSys), joined: map[string]bool{}}
	p.tag()
	sources, list := p.source(), p.list()
	p.sendTo = p.server()
	profile := p.forwarding(p.sendTo)
	p.logins(p.sendTo)
	if len(p.zones.unknown) > 0 {
		p.person(ObjectZones, fmt.Sprintf("The firewall has no zone %s; it has %s. ", quoteAll(p.zones.unknown), zoneList(p.p.zones))+p.zonesRemedy())
	}
	if len(p.zones.zones) == 0 {
		if len(p.zones.unknown) == 0 {
			p.person(ObjectZones, fmt.Sprintf("No rules are planned, for %s; the firewall has %s. ", p.zones, zoneList(p.p.zones))+p.zonesRemedy())
		}
		return ofPanorama{p}.taken()
	}
	if p.want.Mode == firewall.ModeList {
		sources, list = p.modeList(list), ""
	}
	if list != "" { // each goes to the top, so that what is planned last is the first
		p.dropBlocked(p.want.Names.Listed, []string{list}, p.listed, profile)
	}
	p.dropBlocked(p.want.Names.Block, sources, p.block, profile)
	p.split()
	p.orderBlocks(profile)
	p.sensorRule(profile)
	p.internet(profile)
	return ofPanorama{p}.taken()
}

// provisioner gathers steps.
type provisioner struct {
	*verifier
	vsys   string          // xpath
	sendTo []string        // syslog server profiles that send to us
	joined map[string]bool // log forwarding profiles of others that send to us, too
	steps  []Step

	borrowed bool // the group that the block rule names is somebody else's, until it is adopted
}

// ObjectZones is the object of the step in which a person says which zones face the internet: where it cannot be told, no rules are
// planned.
const ObjectZones = "zones"

// ObjectRole is the object of the step in which a person gives our administrator a right without which nothing is written.
const ObjectRole = "administrator role"

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

// tag makes the tag object, for its name and comment; registered addresses need none.
func (p *provisioner) tag() {
	n := p.want.Names
	if p.want.Mode != firewall.ModeList && p.p.scopes.find(n.Tag, "tag").Node == nil {
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
		if !(ofPanorama{p}).forRules(s.name) {
			names = append(names, s.name)
		}
	}
	if len(names) == 0 && p.group() {
		names = append(names, p.want.Names.Group)
	}
	return names
}

// modeList gives the lists that block in ModeList, one that is made included.
func (p *provisioner) modeList(made string) (names []string) {
	for _, s := range p.sources {
		names = append(names, s.name)
	}
	if made != "" && !slices.Contains(names, made) {
		names = append(names, made)
	}
	return names
}

// group makes the group, and tells whether a rule may name it.
func (p *provisioner) group() bool {
	n := p.want.Names
	existing := p.p.scopes.find(n.Group, "address-group")
	if existing.Node != nil && existing.scope.pushed {
		p.person("address group "+quoteAll([]string{n.Group}), "Panorama pushed a different group of that name; rename or delete it there.")
		return false
	}
	entry, detail := xmlapi.NamedEntry(n.Group, xmlapi.Element("dynamic", xmlapi.Leaf("filter", "'"+n.Tag+"'"))), "dynamic, filter '"+n.Tag+"'"
	var before []xmlapi.Edit
	if p.want.Mode == firewall.ModeGroup {
		entry, detail = xmlapi.NamedEntry(n.Group, xmlapi.MemberList("static", n.Nobody), xmlapi.MemberList("tag", n.Tag)), "static, with "+n.Nobody+" so that it is never empty"
		if p.p.scopes.find(n.Nobody, "address").Node == nil {
			before = append(before, xmlapi.Set(p.vsys+"/address", n.NobodyEntry()))
		}
	}
	if existing.Node == nil {
		p.step(ActionCreate, "address group", n.Group, detail, false, append(before, xmlapi.Set(p.vsys+"/address-group", entry))...)
		return true
	}
	// As another mode left it, it is ours; else it is somebody's, and so is a rule that names it.
	members := existing.Child("static").Members()
	p.borrowed = len(members) == 0 || slices.ContainsFunc(members, func(m string) bool { return !isMember(n, p.p.scopes.find(m, "address").Node) })
	at := existing.scope.path + "/address-group" + xmlapi.EntryNamed(n.Group)
	p.step(ActionChange, "address group", n.Group, detail+"; the existing group is different", p.borrowed, append(before, xmlapi.Replace(at, entry))...)
	return true
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
	lists := slices.DeleteFunc(p.p.lists(url), func(l placed) bool { return ofPanorama{p}.forRules(l.Attr("name")) })
	var trust findings
	if len(lists) > 0 {
		listChecks{p.verifier}.listAuthority(&trust, lists[0])
		if len(trust.fails) == 0 {
			return lists[0].Attr("name")
		}
	}
	if !p.authority() {
		return ""
	}
	if existing := p.p.scopes.find(n.List, "external-list"); len(lists) == 0 && existing.Node != nil && existing.Value("type", "ip", "certificate-profile") != n.CertProf {
		p.person("external dynamic list "+quoteAll([]string{n.List}), "There is another list of that name, which is not fetched from "+url+": rename it, or give this firewall another tag.")
		return ""
	}
	if len(lists) == 0 {
		p.create("external dynamic list", n.List, "IP list from "+url+" every five minutes, with certificate profile "+n.CertProf, p.vsys+"/external-list",
			listEntry(n.List, url, n.CertProf))
		return n.List
	}
	name := lists[0].Attr("name")
	at := lists[0].scope.path + "/external-list" + xmlapi.EntryNamed(name) + "/type/ip/certificate-profile"
	if lists[0].scope.pushed {
		var change panorama.Change
		level := ofPanorama{p}.levelOfObject(lists[0].Node)
		if ca := (ofPanorama{p}).remoteAuthority(); ca != nil {
			list := panorama.LevelPath(level) + "/external-list" + xmlapi.EntryNamed(name) + "/type/ip"
			change.Edits = append(ca, xmlapi.Set(list, xmlapi.Leaf("certificate-profile", n.CertProf)))
		}
		ofPanorama{p}.step("external dynamic list "+quoteAll([]string{name}), "On Panorama: "+strings.Join(trust.remedies, " "), p.f.place.Reach(level)+"; "+p.f.place.ReachOfTemplate(), true, change)
		return name
	}
	p.step(ActionChange, "external dynamic list", name, "certificate profile "+n.CertProf+": "+strings.Join(trust.fails, "; "), name != n.List,
		xmlapi.Replace(at, xmlapi.Leaf("certificate-profile", n.CertProf)))
	return name
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
	if have, ok := p.p.authorities(n.CertProf); ok && slices.ContainsFunc(decodePEM(string(p.want.CA)), func(der []byte) bool {
		return slices.ContainsFunc(have, func(other []byte) bool { return string(der) == string(other) })
	}) {
		return true
	}
	if p.f.throughPanorama {
		ofPanorama{p}.step("certificate "+quoteAll([]string{n.CA}), "No file can be imported on a firewall through Panorama: import ca.crt of state_dir under that name on the firewall itself (Device > Certificate Management > Certificates), "+
			"or in its template, with a certificate profile "+quoteAll([]string{n.CertProf})+" that has it as CA certificate", p.f.place.ReachOfTemplate(), false, panorama.Change{Edits: ofPanorama{p}.remoteAuthority()})
		return false
	}
	const how = ", imported as a file straight into the candidate configuration"
	action, detail := ActionCreate, "our CA, which signs the list's certificate"
	if p.p.scopes.find(n.CA, "certificate").Node != nil {
		action, detail = ActionChange, "our current CA"
	}
	p.step(action, "certificate", n.CA, detail+how, false, xmlapi.ImportCertificate(n.CA, p.want.CA))
	if old := p.p.scopes.find(n.CertProf, "certificate-profile"); old.Node == nil {
		p.create("certificate profile", n.CertProf, "trusts "+n.CA, sharedProfiles, xmlapi.NamedEntry(n.CertProf, xmlapi.Element("CA", xmlapi.NamedEntry(n.CA))))
	} else {
		p.step(ActionChange, "certificate profile", n.CertProf, "also trusts "+n.CA, false, xmlapi.Set(sharedProfiles+xmlapi.EntryNamed(n.CertProf)+"/CA", xmlapi.NamedEntry(n.CA)))
	}
	return true
}
