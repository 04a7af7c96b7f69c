package firewall

import (
	"cmp"
	"context"
	"net/url"
	"strings"
)

// find gives the name of our list on the firewall: the one with our URL, or else with our name; among the firewall's own
// first, then among what Panorama pushed.
func (l *List) find(ctx context.Context) (string, error) {
	d := l.device
	own, err := d.ownLists(ctx)
	if err != nil {
		return "", err
	}
	if name := l.among(own); name != "" {
		return name, nil
	}
	pushed, err := d.pushedLists(ctx)
	if err != nil {
		return "", err
	}
	if name := l.among(pushed); name != "" {
		return name, nil
	}
	text := "no external dynamic list is called " + l.opts.Names.List
	if l.opts.URL != "" {
		text += " or fetched from " + l.opts.URL
	}
	return "", d.fail("find the list", &Error{Kind: KindList, Text: text})
}

// among chooses one of several tables of lists; "": none is ours.
func (l *List) among(tables []*node) (named string) {
	for _, lists := range tables {
		for _, e := range lists.entries() {
			if l.opts.URL != "" && sameListURL(e.value("type", "ip", "url"), l.opts.URL) {
				return e.attr("name")
			}
			if e.attr("name") == l.opts.Names.List {
				named = l.opts.Names.List
			}
		}
	}
	return named
}

// ownLists reads the external dynamic lists that the firewall itself holds. An administrator without the right to the
// configuration reads them by an operational command, all of the configuration with them.
func (d *Device) ownLists(ctx context.Context) ([]*node, error) {
	const what, list = "read the external dynamic lists", "external-list"
	own, err := d.show(ctx, what, vsysPath(d.opts.VSys)+"/"+list)
	if Kind(err) == KindRole {
		vsys, shared, err := d.operationalConfig(ctx, what)
		return []*node{vsys.child(list), shared.child(list)}, err
	}
	if err != nil {
		return nil, err
	}
	shared, err := d.show(ctx, what, "/config/shared/"+list)
	return []*node{own, shared}, err
}

// pushedLists reads those that Panorama pushed, which no reading of the configuration shows.
func (d *Device) pushedLists(ctx context.Context) (all []*node, err error) {
	for _, vsys := range []string{d.opts.VSys, ""} {
		parts, err := d.pushedPolicy(ctx, "read the external dynamic lists that Panorama pushed", vsys)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if part.shared || vsys != "" {
				all = append(all, part.node.child("external-list"))
			}
		}
	}
	return all, nil
}

// sameListURL compares as a server would: without regard to the case of scheme and host, with the default port written out
// or not.
func sameListURL(a, b string) bool {
	x, errX := url.Parse(strings.TrimSpace(a))
	y, errY := url.Parse(strings.TrimSpace(b))
	if errX != nil || errY != nil {
		return false
	}
	port := func(u *url.URL) string {
		return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)])
	}
	return strings.EqualFold(x.Scheme, y.Scheme) && strings.EqualFold(x.Hostname(), y.Hostname()) && port(x) == port(y) &&
		cmp.Or(x.EscapedPath(), "/") == cmp.Or(y.EscapedPath(), "/") && x.RawQuery == y.RawQuery
}
