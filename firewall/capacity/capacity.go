// Package capacity says how much a firewall holds: asked of the firewall itself, else by its model. It knows neither
// blacklist nor plan.
package capacity

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"activedefense/firewall/xmlapi"
)

// Call is the kind of the calls that count what a firewall holds, and ask how much it can, as OnCall is told.
const Call = "capacity"

// WarnFrom is the share of a limit, in percent, from which on a person is warned.
const WarnFrom = 90

// Limit is how much of something a firewall holds. The zero value: nobody says.
type Limit struct {
	Most int    // 0: not known
	From string // who says so: FromFirewall or FromModel; "": nobody
}

// Who says a limit.
const (
	FromFirewall = "the firewall"
	FromModel    = "its model"
)

// Names of limits, as PAN-OS has them behind "cfg.general.".
const (
	RegisteredName   = "max-registered-ip-address"
	GroupMembersName = "max-address-per-group"
	AddressesName    = "max-address"
)

// platform is what a series of models holds.
type platform struct {
	model string // a name, or the beginning of several
	limit int
}

// registered are registered addresses by model (PAN-OS 11.0 documentation, "Use Dynamic Address Groups in Policy", and the
// vendor's product comparison of 2023). The first that fits counts. Where the two differ, or an option decides, it is the
// larger number: what a firewall then does not take it refuses, which is seen. What a PA-VM holds depends on its memory,
// which the model does not tell.
var registered = []platform{
	{"PA-54", 500_000}, {"PA-52", 500_000}, {"PA-70", 500_000},
	{"PA-3430", 200_000}, {"PA-3440", 200_000}, {"PA-3410", 150_000}, {"PA-3420", 150_000}, {"PA-32", 200_000},
	{"PA-450", 100_000}, {"PA-460", 100_000}, {"PA-440", 50_000},
	{"PA-850", 2_500}, {"PA-820", 1_000}, {"PA-410", 1_000}, {"PA-220", 1_000},
	{"VM-500", 300_000}, {"VM-700", 300_000}, {"VM-300", 200_000}, {"VM-100", 2_500}, {"VM-50", 1_000},
}

// listEntries are entries of all external dynamic lists of addresses together (the same comparison; PAN-OS 9.0
// documentation, "External Dynamic List").
var listEntries = []platform{
	{"PA-32", 150_000}, {"PA-52", 150_000}, {"PA-70", 150_000}, {"PA-54", 150_000},
	{"PA-2", 50_000}, {"PA-8", 50_000}, {"PA-30", 50_000}, {"PA-4", 50_000}, {"PA-34", 50_000}, {"PA-VM", 50_000}, {"VM-", 50_000},
}

// RegisteredOf is how many addresses a model can have registered, of all owners together.
func RegisteredOf(model string) Limit { return of(registered, model) }

// ListEntriesOf is how many entries all external dynamic lists of addresses of a model have together.
func ListEntriesOf(model string) Limit { return of(listEntries, model) }

func of(table []platform, model string) Limit {
	for _, p := range table {
		if strings.HasPrefix(model, p.model) {
			return Limit{p.limit, FromModel}
		}
	}
	return Limit{}
}

// Limits are those of the platform, by PAN-OS's names.
type Limits map[string]int

// Registered is how many addresses can be registered: as the firewall says, else by its model.
func (l Limits) Registered(model string) Limit {
	if most := l[RegisteredName]; most > 0 {
		return Limit{most, FromFirewall}
	}
	return RegisteredOf(model)
}

const limitPrefix = "cfg.general."

// AskLimits asks for the limits of the platform. What the firewall does not say is not in them. An error is an *xmlapi.Error.
func AskLimits(ctx context.Context, d *xmlapi.Device) (Limits, error) {
	result, err := d.OpIn(ctx, Call, "read the platform limits",
		"<show><system><state><filter>"+limitPrefix+"max*</filter></state></system></show>", "")
	if err != nil {
		return nil, err
	}
	return ParseLimits(result), nil
}

// ParseLimits reads lines such as "cfg.general.max-address: 0x2710"; numbers are decimal or hexadecimal. The names
// and the forms are those that public scripts rely on, no vendor document lists them.
func ParseLimits(n *xmlapi.Node) Limits {
	limits := Limits{}
	for line := range strings.SplitSeq(strings.Join(n.Texts(), "\n"), "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || !strings.HasPrefix(name, limitPrefix) {
			continue
		}
		if limit, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(value), `'"`), 0, 32); err == nil && limit > 0 {
			limits[strings.TrimPrefix(name, limitPrefix)] = int(limit)
		}
	}
	return limits
}

// ErrNoCount means that an answer holds no count.
var ErrNoCount = errors.New("the response contains no count")

// Count asks how many addresses are registered in the virtual system, of all owners together. An error says that this version
// does not count, or is one of the call.
func Count(ctx context.Context, d *xmlapi.Device) (int, error) {
	const what = "count the registered addresses"
	result, err := d.Op(ctx, Call, what, "<show><object><registered-ip><all><option>count</option></all></registered-ip></object></show>")
	if err != nil {
		return 0, err
	}
	n, err := ParseCount(result)
	if err != nil {
		return 0, d.Fail(what, &xmlapi.Error{Kind: xmlapi.KindAPI, Text: err.Error(), Err: err})
	}
	return n, nil
}

var countPattern = regexp.MustCompile(`(?i)total:?\s*(\d+)`)

// ParseCount reads how many addresses are registered. The command line prints "Total: 1000 registered addresses";
// no source shows what the API answers, so the element count is taken too.
func ParseCount(n *xmlapi.Node) (int, error) {
	text := n.Value("count")
	if text == "" {
		if m := countPattern.FindStringSubmatch(strings.Join(n.Texts(), " ")); m != nil {
			text = m[1]
		}
	}
	count, err := strconv.ParseInt(text, 10, 32)
	if err != nil || count < 0 {
		return 0, ErrNoCount
	}
	return int(count), nil
}

// Untold tells whether an error says that a firewall does not answer a question, or not us.
func Untold(err error) bool {
	k := xmlapi.Kind(err)
	return k == xmlapi.KindAPI || k == xmlapi.KindRole
}

// Lists is how many entries the external dynamic lists of addresses have, all together.
type Lists struct {
	Limit
	Used int
}

// AskLists asks how many entries the lists of addresses have, and can have. Where the firewall does not say, which takes a
// right to request, it is the limit of its model, with nothing used. An error is one of the connection.
func AskLists(ctx context.Context, d *xmlapi.Device) (Lists, error) {
	result, err := d.OpIn(ctx, Call, "read the capacity of external dynamic lists",
		"<request><system><external-list><list-capacities/></external-list></system></request>", "")
	if err != nil && !Untold(err) {
		return Lists{}, err
	}
	return ParseLists(result, d.Info().Model), nil
}

// ParseLists reads the answer to list-capacities: an element for each type, here IP, with running-cap and total-cap (as
// Centreon's plugin edlcapacity reads them). Where they are no numbers, the model's limit counts.
func ParseLists(n *xmlapi.Node, model string) Lists {
	number := func(parent *xmlapi.Node, name string) int {
		v, err := strconv.Atoi(parent.Value(name))
		if err != nil || v < 0 {
			return 0 // such as N/A
		}
		return v
	}
	at := find(n, "IP")
	l := Lists{Limit: Limit{number(at, "total-cap"), FromFirewall}, Used: number(at, "running-cap")}
	if l.Most == 0 {
		l.Limit = ListEntriesOf(model)
	}
	return l
}

// find gives the first element of that name, however deep: how deep it stands is not recorded.
func find(n *xmlapi.Node, name string) *xmlapi.Node {
	if n == nil || strings.EqualFold(n.Name, name) {
		return n
	}
	for _, c := range n.Children {
		if at := find(c, name); at != nil {
			return at
		}
	}
	return nil
}

// Room is how much there is, and how much of it is used. The zero value: nothing is known.
type Room struct {
	Limit
	Used   int // by all owners, as far as is known
	Others int // of them, not ours
}

// Percent is how much is used, rounded up; 0: the limit is not known.
func (r Room) Percent() int {
	if r.Most <= 0 {
		return 0
	}
	return (r.Used*100 + r.Most - 1) / r.Most
}

// Ours is how many of ours there is room for; 0: there is none, or the limit is not known.
func (r Room) Ours() int { return max(r.Most-r.Others, 0) }

// Text says who says it, for people.
func (l Limit) Text() string { return "as " + cmp.Or(l.From, "nobody") + " says" }
