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

// addressKinds are the lists of what the source or destination of a rule may name.
var addressKinds = []string{"address", "address-group", "external-list", "region"}

// logProfiles are the lists of log forwarding profiles, whose actions can tag addresses.
var logProfiles = []string{"log-settings", "profiles"}

// Unpushed names what is committed on the Panorama d of the objects by which rules decide and not pushed to the firewall: those that
// the firewall has otherwise, or that are gone, new addresses with a tag, which a dynamic address group may match, and what is new and has the
// name of an object of another kind; another new object decides nothing before something names it. pushed is what the firewall has, from all
// levels, and then what it has once our changes are pushed: what is as one of them has it, or gone as a change has it, is not named. ours are
// the names of our objects, of which log forwarding profiles are looked at, too. perhaps are those of others of which a level nearer to the
// firewall has another than the one pushed: it is new, or Panorama is set to have ancestors win. At most one call for each list and level; none
// where the device group is not known.
func Unpushed(ctx context.Context, d *xmlapi.Device, at Place, changes []Change, pushed, then []*xmlapi.Node, ours []string) (certain, perhaps []string, err error) {
	if at.Group == "" {
		return nil, nil, nil
	}
	levels := append(append([]string{at.Group}, at.Parents...), Shared)
	sources := map[string]bool{} // names that mean addresses
	for _, kind := range addressKinds {
		for name := range objectsIn(slices.Concat(pushed, then), []string{kind}) {
			sources[name] = true
		}
	}
	for _, path := range append(slices.Clone(deciding), logProfiles) {
		kind, have, made := strings.ReplaceAll(path[len(path)-1], "-", " "), objectsIn(pushed, path), objectsIn(then, path)
		isAddress := slices.Contains(addressKinds, path[0])
		if path[0] == logProfiles[0] {
			kind = "log forwarding profile"
			isTheirs := func(name string, _ []*xmlapi.Node) bool { return !slices.Contains(ours, name) }
			maps.DeleteFunc(have, isTheirs)
			maps.DeleteFunc(made, isTheirs)
		}
		if len(have) == 0 && len(made) == 0 && !isAddress {
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
		one, other := unpushedIn(kind, there, have, made, ours, func(name string) bool {
			return slices.ContainsFunc(levels, func(level string) bool {
				xpath := LevelPath(level) + "/" + strings.Join(path, "/") + xmlapi.EntryNamed(name)
				return slices.ContainsFunc(changes, func(c Change) bool { return c.Replaces(xpath) })
			})
		})
		for _, name := range slices.Sorted(maps.Keys(there)) {
			what := fmt.Sprintf("%s %q of %s, which is new and ", kind, xmlapi.Tidy(name), there[name][0].level)
			switch {
			case !isAddress || len(have[name])+len(made[name]) > 0:
			case path[0] == "address" && len(there[name][0].Child("tag").Members()) > 0:
				one = append(one, what+"bears tags")
			case sources[name]:
				one = append(one, what+"has the name of another object")
			}
		}
		certain, perhaps = append(certain, one...), append(perhaps, other...)
	}
	return certain, perhaps, nil
}

// objectsIn gives the objects of a list in all parts, by name.
func objectsIn(parts []*xmlapi.Node, path []string) map[string][]*xmlapi.Node {
	all := map[string][]*xmlapi.Node{}
	for _, n := range parts {
		for _, e := range n.At(path...).Entries() {
			all[e.Attr("name")] = append(all[e.Attr("name")], e)
		}
	}
	return all
}

// unpushedIn is Unpushed for one list, each by name.
func unpushedIn(kind string, there map[string][]committed, have, made map[string][]*xmlapi.Node, ours []string, takenAway func(name string) bool) (certain, perhaps []string) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(have)), maps.Keys(made))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		known := slices.Concat(have[name], made[name])
		switch what := fmt.Sprintf("%s %q", kind, xmlapi.Tidy(name)); {
		case len(there[name]) == 0 && (len(have[name]) == 0 || takenAway(name)): // yet to be made, or ours to take away
		case len(there[name]) == 0:
			certain = append(certain, what+", which is gone there")
		case there[name][0].isAmong(known):
		case !slices.Contains(ours, name) && slices.ContainsFunc(there[name], func(c committed) bool { return c.isAmong(known) }):
			perhaps = append(perhaps, what+" of "+there[name][0].level)
		default:
			certain = append(certain, what+" of "+there[name][0].level)
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
