package panorama

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// deciding are the lists of objects by which rules decide. Security profiles and log settings are not among them.
var deciding = [][]string{{"address"}, {"address-group"}, {"service"}, {"service-group"}, {"application"}, {"application-group"}, {"application-filter"}, {"external-list"},
	{"region"}, {"schedule"}, {"profiles", "custom-url-category"}}

// logProfiles are the lists of log forwarding profiles, whose actions can tag addresses.
var logProfiles = []string{"log-settings", "profiles"}

// Unpushed names what is committed on the Panorama d of the objects by which rules decide and not pushed to the firewall: those that
// the firewall has otherwise, or that are gone, and new addresses with a tag, which a dynamic address group may match; another new object
// decides nothing before something names it. pushed is what the firewall has, from all levels, and then what it has once our changes are pushed:
// what is as one of them has it, or gone as a change has it, is not named. logs is a log forwarding profile that is looked at like them. perhaps are
// those of which a level nearer to the firewall has another than the one pushed: it is new, or Panorama is set to have ancestors win. At
// most one call for each list and level; none where the device group is not known.
func Unpushed(ctx context.Context, d *xmlapi.Device, at Place, changes []Change, pushed, then []*xmlapi.Node, logs string) (certain, perhaps []string, err error) {
	if at.Group == "" {
		return nil, nil, nil
	}
	levels := append(append([]string{at.Group}, at.Parents...), Shared)
	for _, path := range append(slices.Clone(deciding), logProfiles) {
		isMeant := func(name string) bool { return path[0] != logProfiles[0] || name == logs }
		named := func(parts []*xmlapi.Node) map[string][]*xmlapi.Node {
			all := map[string][]*xmlapi.Node{}
			for _, n := range parts {
				for _, e := range n.At(path...).Entries() {
					if name := e.Attr("name"); isMeant(name) {
						all[name] = append(all[name], e)
					}
				}
			}
			return all
		}
		have, made := named(pushed), named(then)
		if len(have) == 0 && len(made) == 0 && path[0] != "address" {
			continue
		}
		there := map[string][]committed{}
		for _, level := range levels {
			list, err := d.Show(ctx, "read what is committed on Panorama", LevelPath(level)+"/"+strings.Join(path, "/"))
			if err != nil {
				return nil, nil, err
			}
			for _, e := range list.Entries() {
				there[e.Attr("name")] = append(there[e.Attr("name")], committed{level, e})
			}
		}
		kind := strings.ReplaceAll(path[len(path)-1], "-", " ")
		if path[0] == logProfiles[0] {
			kind = "log forwarding profile"
		}
		one, other := unpushedIn(kind, there, have, made, func(name string) bool {
			return slices.ContainsFunc(levels, func(level string) bool {
				xpath := LevelPath(level) + "/" + strings.Join(path, "/") + xmlapi.EntryNamed(name)
				return slices.ContainsFunc(changes, func(c Change) bool { return c.Replaces(xpath) })
			})
		})
		certain, perhaps = append(certain, one...), append(perhaps, other...)
	}
	return certain, perhaps, nil
}

// unpushedIn is Unpushed for one list, each by name.
func unpushedIn(kind string, there map[string][]committed, have, made map[string][]*xmlapi.Node, takenAway func(name string) bool) (certain, perhaps []string) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(have)), maps.Keys(made))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		known := slices.Concat(have[name], made[name])
		switch what := fmt.Sprintf("%s %q", kind, xmlapi.Tidy(name)); {
		case len(there[name]) == 0 && (len(have[name]) == 0 || takenAway(name)): // yet to be made, or ours to take away
		case len(there[name]) == 0:
			certain = append(certain, what+", which is gone there")
		case there[name][0].isAmong(known):
		case slices.ContainsFunc(there[name], func(c committed) bool { return c.isAmong(known) }):
			perhaps = append(perhaps, what+" of "+there[name][0].level)
		default:
			certain = append(certain, what+" of "+there[name][0].level)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if first := there[name][0]; kind == "address" && len(have[name]) == 0 && len(first.Child("tag").Members()) > 0 {
			certain = append(certain, fmt.Sprintf("address %q of %s, which is new and bears tags", xmlapi.Tidy(name), first.level))
		}
	}
	return certain, perhaps
}

// Same tells whether two objects decide the same.
func Same(a, b *xmlapi.Node) bool { return meaning(a) == meaning(b) }

// committed is an object as Panorama has it at a level.
type committed struct {
	level string
	*xmlapi.Node
}

// isAmong tells whether one of those that the firewall has is this. What a variable of Panorama's stands for differs by firewall.
func (c committed) isAmong(have []*xmlapi.Node) bool {
	text := meaning(c.Node)
	return strings.Contains(text, "=$") || slices.ContainsFunc(have, func(n *xmlapi.Node) bool { return meaning(n) == text })
}

// meaning is what an object says that decides anything, in a form in which equal ones are the same text: the order of elements does not
// matter, nor do marks, comments, what is off because it says no, and secrets, which each device encrypts by itself.
func meaning(n *xmlapi.Node) string {
	var parts []string
	for _, c := range n.Children {
		switch {
		case slices.Contains([]string{"description", "comments", "color", "disable-override", "password"}, c.Name), len(c.Children) == 0 && c.Text == "no", c.Name == "override" && c.Child("no") != nil:
		default:
			parts = append(parts, meaning(c))
		}
	}
	slices.Sort(parts)
	return n.Name + n.Attr("name") + "=" + strings.TrimSpace(n.Text) + "(" + strings.Join(parts, ",") + ")"
}
