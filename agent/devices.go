package agent

import (
	"slices"
	"strings"
	"time"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// devices opens the firewalls of the configuration. Entries at the same management address, several virtual systems of
// one firewall or several firewalls behind one Panorama, share a connection.
type devices struct {
	agent string // user agent of the calls
	calls *callCounts
	now   func() time.Time
	open  map[place]*xmlapi.Device
}

// A place is what entries must have in common to share a connection: where, as whom, and what proves that it is there.
type place struct {
	url, username, password, key, ca string
	insecure                         bool
	timeout                          time.Duration
}

func newDevices(version string, calls *callCounts, now func() time.Time) *devices {
	return &devices{agent: "activedefense/" + version, calls: calls, now: now, open: map[place]*xmlapi.Device{}}
}

// member opens one firewall of an entry: the one at url, or its peer.
func (d *devices) member(fw config.Firewall, name, url string) (*xmlapi.Device, error) {
	options := xmlapi.Options{
		Name: name, URL: url, Target: fw.Target, VSys: fw.VSys,
		APIKey: fw.APIKey.Reveal(), Username: fw.Username, Password: fw.Password.Reveal(),
		CA: fw.CA, InsecureSkipVerify: fw.InsecureSkipVerify, Timeout: fw.Timeout, UserAgent: d.agent, Now: d.now,
		OnCall: d.calls.observer(name, xmlapi.Kind),
	}
	at := place{
		url: strings.TrimSuffix(strings.ToLower(url), ":443"), username: fw.Username, password: fw.Password.Reveal(),
		key: fw.APIKey.Reveal(), ca: string(fw.CA), insecure: fw.InsecureSkipVerify, timeout: fw.Timeout,
	}
	if first := d.open[at]; first != nil {
		return first.Sibling(options)
	}
	device, err := xmlapi.Open(options)
	if err == nil {
		d.open[at] = device
	}
	return device, err
}

// pair opens an entry's firewall and, if it has one, the other member of its pair.
func (d *devices) pair(fw config.Firewall) ([]*xmlapi.Device, error) {
	first, err := d.member(fw, fw.Name, fw.URL)
	if err != nil || fw.PeerURL == "" {
		return []*xmlapi.Device{first}, err
	}
	peer, err := d.member(fw, fw.Name+" (peer)", fw.PeerURL)
	return []*xmlapi.Device{first, peer}, err
}

// newEnforcers makes what keeps the firewalls level. Tags and lists are each member's own; a group belongs to the
// configuration, which the active member hands to the other.
func (a *Agent) newEnforcers() ([]*enforcer, error) {
	open := newDevices(a.version, a.calls, a.now)
	var all []*enforcer
	for _, fw := range a.cfg.Firewalls {
		members, err := open.pair(fw)
		if err != nil {
			return nil, err
		}
		together := 1
		if fw.Mode == firewall.ModeGroup {
			together = len(members)
		}
		for some := range slices.Chunk(members, together) {
			e, err := a.newEnforcer(fw, some...)
			if err != nil {
				return nil, err
			}
			policies, err := a.newPolicies(fw, e)
			if err != nil {
				return nil, err
			}
			all, a.policies = append(all, e), append(a.policies, policies...)
		}
	}
	return all, nil
}

func (a *Agent) newEnforcer(fw config.Firewall, members ...*xmlapi.Device) (*enforcer, error) {
	name := members[0].Name()
	e := newEnforcer(name, a.log.With().Str("firewall", name).Logger())
	e.devices, e.paired, e.state.Mode = members, fw.PeerURL != "", fw.Mode
	blocked := func() *snapshot { return a.feed.Load().current.Load() }
	served := func() *snapshot { return a.feed.Load().served.Load() }
	names := firewall.NamesFor(fw.Tag)
	var err error
	switch e.desired = blocked; fw.Mode {
	case firewall.ModeGroup:
		e.keeper, err = firewall.NewGroup(firewall.GroupOptions{
			Names: names, Admin: fw.CommitAdmin, MaxRemovalPercent: fw.MaxRemovalPercent, CommitInterval: fw.CommitInterval}, members...)
	case firewall.ModeList:
		e.desired = served
		e.keeper, err = a.newList(fw, names, members[0])
	default:
		e.keeper, err = firewall.NewTags(members[0], firewall.TagOptions{
			Tag: fw.Tag, MaxRemovalPercent: fw.MaxRemovalPercent, PassTime: passTime})
	}
	if err != nil {
		return nil, err
	}
	if a.cfg.EDL.Listen != "" && fw.Mode != firewall.ModeList {
		aside, err := members[0].Clone()
		if err != nil {
			return nil, err
		}
		list, err := a.newList(fw, names, aside)
		if err != nil {
			return nil, err
		}
		e.fallback = newFallback(list, served, e.log)
	}
	if !fw.KillSessions {
		return e, nil
	}
	for _, m := range members {
		aside, err := m.Clone()
		if err != nil {
			return nil, err
		}
		e.sessions = append(e.sessions, newSessionEnder(aside, e.log))
	}
	return e, nil
}

func (a *Agent) newList(fw config.Firewall, names firewall.Names, device *xmlapi.Device) (*firewall.List, error) {
	return firewall.NewList(device, firewall.ListOptions{
		Names: names, URL: a.cfg.EDL.URL, RefreshInterval: fw.RefreshInterval, MaxEntries: a.cfg.EDL.MaxEntries})
}
