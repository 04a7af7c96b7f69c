package firewall

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"activedefense/firewall/xmlapi"
)

// find gives the name of our list on the firewall: the one with our URL, or else with our name; among the firewall's own
// first, then among what Panorama pushed.
func (l *List) find(ctx context.Context) (string, error) {
	own, err := l.own(ctx)
	if err != nil {
		return "", err
	}
	if name := l.among(own); name != "" {
		return name, nil
	}
	pushed, err := l.pushed(ctx)
	if err != nil {
		return "", err
	}
	if name := l.among(pushed); name != "" {
		return name, nil
	}
	text := "no external dynamic list is named " + l.opts.Names.List
	if l.opts.URL != "" {
		text += " or fetched from " + l.opts.URL
	}
	return "", l.device.Fail("find the list", &xmlapi.Error{Kind: KindList, Text: text})
}

// among chooses one of several tables of lists; "": none is ours.
func (l *List) among(tables []*xmlapi.Node) (named string) {
	for _, lists := range tables {
		for _, e := range lists.Entries() {
			if l.opts.URL != "" && SameListURL(e.Value("type", "ip", "url"), l.opts.URL) {
				return e.Attr("name")
			}
			if e.Attr("name") == l.opts.Names.List {
				named = l.opts.Names.List
			}
		}
	}
	return named
}

// own reads the external dynamic lists that the firewall itself holds. An administrator without the right to the
// configuration reads them by an operational command, all of the configuration with them.
func (l *List) own(ctx context.Context) ([]*xmlapi.Node, error) {
	d := l.device
	const what, list = "read the external dynamic lists", "external-list"
	own, err := d.Show(ctx, what, xmlapi.VSysPath(d.VSys())+"/"+list)
	if xmlapi.Kind(err) == xmlapi.KindRole {
		vsys, shared, err := xmlapi.RunningConfig(ctx, d, what)
		return []*xmlapi.Node{vsys.Child(list), shared.Child(list)}, err
	}
	if err != nil {
		return nil, err
	}
	shared, err := d.Show(ctx, what, xmlapi.SharedPath+"/"+list)
	return []*xmlapi.Node{own, shared}, err
}

// pushed reads those that Panorama pushed, which no reading of the configuration shows.
func (l *List) pushed(ctx context.Context) (all []*xmlapi.Node, err error) {
	d := l.device
	for _, vsys := range []string{d.VSys(), ""} {
		parts, err := xmlapi.PushedPolicy(ctx, d, "read the external dynamic lists pushed by Panorama", vsys)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if part.Shared || vsys != "" {
				all = append(all, part.Node.Child("external-list"))
			}
		}
	}
	return all, nil
}

// SameListURL compares as a server would: without regard to the case of scheme and host, with the default port written out
// or not.
func SameListURL(a, b string) bool {
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
