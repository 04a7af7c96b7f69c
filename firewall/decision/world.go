package decision

import (
	"maps"
	"net/netip"
	"slices"
)

// world is the flows over which two policies are compared at once: those of one family, from blocked sources or from others.
type world struct {
	zones, applications []string // in the order of their numbers; the last application is any other
	zone, application   map[string]number
	everywhere          addresses
	blocked             bool
}

// allServices is every protocol with every port.
var allServices = numbers{{0, 0xff<<16 | 0xffff}}

func place(protocol uint8, port uint16) number { return number(protocol)<<16 | number(port) }

// newWorld numbers what two policies name.
func newWorld(policies ...*Policy) *world {
	w := &world{zone: map[string]number{}, application: map[string]number{}}
	add := func(to map[string]number, list *[]string, names []string) {
		for _, name := range names {
			if _, known := to[name]; !known {
				to[name] = number(len(*list))
				*list = append(*list, name)
			}
		}
	}
	for _, p := range policies {
		add(w.zone, &w.zones, p.Zones)
		for _, r := range p.Rules {
			add(w.zone, &w.zones, r.From)
			add(w.zone, &w.zones, r.To)
			add(w.application, &w.applications, r.Applications)
		}
		add(w.application, &w.applications, slices.Sorted(maps.Keys(p.Ports)))
	}
	add(w.application, &w.applications, []string{""})
	return w
}

// worlds gives all flows: of each family those of blocked sources and the others.
func (w world) worlds() []*world {
	var out []*world
	for _, family := range allAddresses {
		for _, blocked := range []bool{false, true} {
			one := w
			one.everywhere, one.blocked = addresses{family}, blocked
			out = append(out, &one)
		}
	}
	return out
}

// area is what a rule matches: surely all of sure, and nothing outside of may.
//
// The others are about flows of which the ends are in no set of which the members are unknown, as some are of any set that is
// not everything: of these, surely all of outside and nothing beyond near, and of each of usual surely one service, but it is
// not known which.
type area struct{ sure, may, outside, near, usual []box }

// area gives that of a rule.
func (w *world) area(p *Policy, r *Rule) (out area) {
	out.sure, out.may, _ = w.boxes(p, r, false)
	out.outside, out.near, out.usual = w.boxes(p, r, true)
	return out
}

// boxes gives what a rule surely matches, what it may match, and what it matches at the default ports of applications that are
// unknown. outside: the ends are in no unknown set.
func (w *world) boxes(p *Policy, r *Rule, outside bool) (exact, loose, usual []box) {
	sure := box{zones: w.pairs(r)}
	may := sure
	sure.source, may.source = w.addresses(r.Source, map[string]bool{Blocked: w.blocked}, outside)
	sure.destination, may.destination = w.addresses(r.Destination, nil, outside)
	apps, maybeApps := w.named(r)
	add := func(list *[]box, b box, applications, services numbers) {
		b.applications, b.services = applications, services
		if !b.empty() {
			*list = append(*list, b)
		}
	}
	s := &r.Services
	if !s.Listed {
		add(&exact, sure, apps, allServices)
		add(&loose, may, maybeApps, allServices)
	} else {
		always, some := ports(s.Objects)
		if len(s.Unknown) > 0 {
			some = allServices
		}
		add(&exact, sure, apps, always)
		add(&loose, may, maybeApps, some)
	}
	if s.Default {
		untold := maybeApps
		for name, objects := range p.Ports {
			at, named := w.application[name]
			if one := (numbers{{at, at}}); named && maybeApps.meets(one) {
				always, some := ports(objects)
				add(&exact, sure, apps.and(one), always)
				add(&loose, may, one, some)
				untold = untold.less(one)
			}
		}
		add(&usual, sure, apps.and(untold), allServices)
		add(&loose, may, untold, allServices)
	}
	if r.Users != nil || r.Categories != nil || len(r.Conditions) > 0 {
		return nil, loose, nil
	}
	return exact, loose, usual
}

// pairs gives the pairs of zones between which a rule is asked.
func (w *world) pairs(r *Rule) numbers {
	var spans []span[number]
	n := number(len(w.zones))
	for i, from := range w.zones {
		if r.From != nil && !slices.Contains(r.From, from) {
			continue
		}
		row := number(i) * n
		if r.Kind == Universal && r.To == nil {
			spans = append(spans, span[number]{row, row + n - 1})
			continue
		}
		for j, to := range w.zones {
			if r.between(from, to) {
				spans = append(spans, span[number]{row + number(j), row + number(j)})
			}
		}
	}
	return newSet(spans)
}

// addresses gives those of one end; outside: none is in a set that in does not tell of.
func (w *world) addresses(a Addresses, in map[string]bool, outside bool) (sure, may addresses) {
	if !a.Listed {
		return w.everywhere, w.everywhere
	}
	var spans []span[netip.Addr]
	for _, r := range a.Ranges {
		spans = append(spans, span[netip.Addr]{r.First, r.Last})
	}
	sure = newSet(spans).and(w.everywhere)
	may = sure
	for _, set := range a.Sets {
		member, told := in[set]
		switch {
		case member:
			sure, may = w.everywhere, w.everywhere
		case !told && !outside:
			may = w.everywhere
		}
	}
	if a.Negate {
		return w.everywhere.less(may), w.everywhere.less(sure)
	}
	return sure, may
}

// named gives the applications of a rule.
func (w *world) named(r *Rule) (sure, may numbers) {
	all := numbers{{0, number(len(w.applications)) - 1}}
	if r.Applications == nil && r.Filters == nil {
		return all, all
	}
	var exact, loose []span[number]
	for i, name := range w.applications {
		n := number(i)
		if one := (span[number]{n, n}); name != "" && slices.Contains(r.Applications, name) {
			exact = append(exact, one)
			loose = append(loose, one)
		} else if slices.ContainsFunc(r.Applications, func(a string) bool { return partOf(name, a) }) {
			loose = append(loose, one)
		}
	}
	if len(r.Filters) > 0 {
		return newSet(exact), all
	}
	return newSet(exact), newSet(loose)
}

// ports gives what services surely match, and what they match from some source port.
func ports(objects []Service) (sure, may numbers) {
	var exact, loose []span[number]
	for _, s := range objects {
		list := s.Ports
		if list == nil {
			list = []Ports{{0, 0xffff}}
		}
		for _, p := range list {
			one := span[number]{place(s.Protocol, p.First), place(s.Protocol, p.Last)}
			loose = append(loose, one)
			if s.SourcePorts == nil {
				exact = append(exact, one)
			}
		}
	}
	return newSet(exact), newSet(loose)
}
