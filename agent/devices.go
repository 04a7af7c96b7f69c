package agent

import (
	"activedefense/config"
	"activedefense/firewall"
)

// devices opens the firewalls of the configuration. Entries at the same management address, several virtual systems of
// one firewall or several firewalls behind one Panorama, share a connection.
type devices struct {
	agent string // user agent of the calls
	calls *callCounts
	open  map[string]*firewall.Device // by address and account
}

// member opens one firewall of an entry: the one at url, or its peer.
func (d *devices) member(fw config.Firewall, name, url string) (*firewall.Device, error) {
	options := firewall.DeviceOptions{
		Name: name, URL: url, Target: fw.Target, VSys: fw.VSys,
		APIKey: fw.APIKey.Reveal(), Username: fw.Username, Password: fw.Password.Reveal(),
		CA: fw.CA, InsecureSkipVerify: fw.InsecureSkipVerify, Timeout: fw.Timeout, UserAgent: d.agent,
		OnCall: d.calls.observer(name, firewall.Kind),
	}
	place := url + "\n" + fw.Username + "\n" + fw.APIKey.Reveal()
	if first := d.open[place]; first != nil {
		return first.Sibling(options)
	}
	device, err := firewall.Open(options)
	if err == nil {
		d.open[place] = device
	}
	return device, err
}

// pair opens an entry's firewall and, if it has one, the other member of its pair.
func (d *devices) pair(fw config.Firewall) ([]*firewall.Device, error) {
	first, err := d.member(fw, fw.Name, fw.URL)
	if err != nil || fw.PeerURL == "" {
		return []*firewall.Device{first}, err
	}
	peer, err := d.member(fw, fw.Name+" (peer)", fw.PeerURL)
	return []*firewall.Device{first, peer}, err
}

// enforcers makes what keeps the firewalls level. Tags and lists are each member's own; a group belongs to the
// configuration, which the active member hands to the other.
func (a *Agent) newEnforcers() ([]*enforcer, error) {
	open := &devices{agent: "activedefense/" + a.version, calls: a.calls, open: map[string]*firewall.Device{}}
	var all []*enforcer
	for _, fw := range a.cfg.Firewalls {
		members, err := open.pair(fw)
		if err != nil {
			return nil, err
		}
		if fw.Mode == firewall.ModeGroup {
			e, err := a.newEnforcer(fw, members...)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
			a.policies = append(a.policies, a.newPolicies(fw, e)...)
			continue
		}
		for _, member := range members {
			e, err := a.newEnforcer(fw, member)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
			a.policies = append(a.policies, a.newPolicies(fw, e)...)
		}
	}
	return all, nil
}

func (a *Agent) newEnforcer(fw config.Firewall, members ...*firewall.Device) (*enforcer, error) {
	name := members[0].Name()
	e := newEnforcer(name, a.log.With().Str("firewall", name).Logger())
	e.devices, e.state.Mode = members, fw.Mode
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
		list, err := a.newList(fw, names, members[0])
		if err != nil {
			return nil, err
		}
		e.fallback = &fallback{list: list, served: served, log: e.log}
	}
	if fw.KillSessions {
		e.sessions = newSessionEnder(members[0], e.log)
	}
	return e, nil
}

func (a *Agent) newList(fw config.Firewall, names firewall.Names, device *firewall.Device) (*firewall.List, error) {
	return firewall.NewList(device, firewall.ListOptions{
		Names: names, URL: a.cfg.EDL.URL, RefreshInterval: fw.RefreshInterval, MaxEntries: a.cfg.EDL.MaxEntries})
}
