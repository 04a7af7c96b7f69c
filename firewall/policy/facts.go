package policy

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/capacity"
	"activedefense/firewall/ours"
	"activedefense/firewall/policy/panorama"
	"activedefense/firewall/xmlapi"
)

// Expectation is what a firewall shall be like for its blacklist to have effect.
type Expectation struct {
	Mode  string         // ModeTag, ModeGroup or ModeList
	Names firewall.Names // of our objects, as NamesFor gives them

	// ListURL is where firewalls fetch our list, for example https://agent.example.com:8443/files/blacklist.txt. It is
	// what our external dynamic list is recognised by. "": no list is served.
	ListURL string
	// InternetZones are the zones that face the internet. Empty: those of the interfaces that the default routes leave by. What
	// zones are called is no evidence.
	InternetZones []string
	// Zones are those in which the logs' times are read (inputs[].timezone): which input reads this firewall's logs, the
	// configuration does not say. Empty: not checked.
	Zones    []*time.Location
	Panorama string // PanoramaPlan or PanoramaApply, for a firewall that is reached through a Panorama; "": PanoramaPlan
	Adopt    bool   // what is somebody else's is changed, too, on Panorama and by the commands for it as well
	// CommitAlone: what a plan lacks is not written before the commit, so that only what was written before is not edited by hand.
	CommitAlone bool
	Sensor      string // SensorLog or SensorDrop, by which what nothing allowed shall be seen; "": SensorLog. Verify accepts either
	// SyslogAddress is where firewalls send their logs, host or host:port. "": not checked.
	SyslogAddress string
	Formats       Formats

	CA              []byte    // PEM of the authority that signs our list's certificate; nil: not ours, and not checked
	CertificateEnds time.Time // of our list's certificate; zero: not checked

	// Entries are what shall be blocked: in ModeList what the list serves, otherwise what the firewall was told. An
	// entry without Since counts as old.
	Entries []firewall.Entry
	// Released were blocked until a while ago, each until its Until: a firewall may hold them until its next turn to fetch
	// the list. Those of ten minutes are enough; earlier ones, and those with a zero Until, are as if they were not here.
	Released   []firewall.Entry
	MaxEntries int        // how many of Entries the list serves; 0: all
	EmptyEntry netip.Addr // what the list serves when nothing is blocked; the zero Addr: nothing

	// Peer is the other member of its pair; nil: it is in none, or the other has an entry of its own. A plan asks it for its serial number.
	Peer       *xmlapi.Device
	OthersKey  bool      // the API key was made on the other member of its pair, which may be the only one that takes it
	KeyFile    string    // from which the API key is; "": it is none of a file's
	KeyMade    time.Time // when that was written, and the key made at the latest; zero: not known
	KeyRenewed bool      // the key is made anew when it is refused, from a user name and password

	Admin        string    // as whom we edit and commit; "": who logs in, or whom the firewall tells
	MayProvision bool      // we may write the configuration, so that the right to is needed and remedies offer it
	Now          time.Time // zero: the device's clock
}

// Sensors.
const (
	SensorLog  = "log"  // the two default rules log; they decide as before
	SensorDrop = "drop" // a last rule drops and logs, where it is proven to cut nothing of the firewall's own; else as SensorLog
)

// Formats are the log formats that we read, as in the server profile; white space does not matter. "": there is none. The zero value, beside
// Logins: no input reads a firewall's logs, as where patterns read other logs alone.
type Formats struct {
	Traffic, Threat       string
	GlobalProtect, System string
	// Shorter is one of Traffic and Threat that is read as well, and lacks what tells the refused from the served and the
	// proven from the forgeable; "": there is none.
	Shorter string
	Default bool // the default format (CSV) is read as well
	// CEF and LEEF: custom formats in these are read as well. We write none: they are others', whose receivers need them as they are.
	CEF, LEEF bool
	Logins    bool // the logs that hold logins are read: GlobalProtect, and of the system log those of authentication
}

// none tells whether no input reads a firewall's logs.
func (f Formats) none() bool { return f == Formats{Logins: f.Logins} }

// also gives the name of a custom format that is read though it is not ours, "" if it is none.
func (f Formats) also(have string) string {
	switch {
	case f.CEF && strings.HasPrefix(have, "CEF:"):
		return "CEF"
	case f.LEEF && strings.HasPrefix(have, "LEEF:"):
		return "LEEF"
	}
	return ""
}

// others names the formats that are read though they are not ours.
func (f Formats) others() string {
	switch {
	case f.CEF && f.LEEF:
		return "CEF or LEEF"
	case f.CEF:
		return "CEF"
	case f.LEEF:
		return "LEEF"
	}
	return ""
}

// of gives the format of one type of log.
func (f Formats) of(kind string) string {
	switch kind {
	case logTraffic:
		return f.Traffic
	case logThreat:
		return f.Threat
	case logGlobalProtect:
		return f.GlobalProtect
	}
	return f.System
}

// Facts are what a firewall answered, each question for itself: one that is refused costs only the checks that need
// its answer. They are a snapshot and are not changed after ReadFacts gave them; Verify judges them.
type Facts struct {
	Firewall string // DeviceOptions.Name
	VSys     string

	insecure        bool               // its certificate was not verified
	certificate     xmlapi.Certificate // that it, or the Panorama before it, showed
	throughPanorama bool               // it is reached through a Panorama, on which no file can be imported for it
	standsBy        bool               // a passive member of a pair that takes no tags; only ModeTag
	info            fact[xmlapi.Info]
	version         xmlapi.Version

	whole  *xmlapi.Node        // the running configuration, where it was read at once; else nil
	lines  fact[*ours.Facts]   // the network; nil: a plan did not ask, for internet_zones says what it would be asked for
	life   fact[time.Duration] // of an API key; 0: keys do not end
	zone   fact[string]        // of the firewall's clock, as configured; "": it is not
	own    fact[*xmlapi.Node]  // the entry of the virtual system in the running configuration
	shared fact[*xmlapi.Node]  // config/shared of the running configuration; nil: it is empty
	// What Panorama pushed, as told of the virtual system and as told without one; empty: nothing.
	vsysPushed, barePushed fact[[]xmlapi.Pushed]
	template               fact[*xmlapi.Node]  // the config of its template; nil: none
	pair                   xmlapi.Pair         // only of a plan, where Panorama pushed something; the zero value: it is in none
	standby                string              // see Plan.Standby
	place                  panorama.Place      // where that comes from; only of a plan
	placeUnknown           error               // why Panorama could not be asked for it
	local                  []*xmlapi.Node      // the virtual systems of the firewall and what is shared, candidate and running; only of a plan that may change Panorama
	systems                []systemFacts       // the other virtual systems; the same
	elsewhere              []systemFacts       // the other virtual systems, to see who sees what is shared; only of a removal
	naming                 map[string][]string // rules of others on Panorama that name what we made there for rules, by the name of that; only of a removal
	emptied                bool                // no address bears our tag any more, as after a removal
	asPushed               scopes              // what Panorama pushed, before any step; only of a plan
	seen                   panorama.View       // the same, with where it is from
	// standing is what of our names, and of overrides of the default rules, Panorama has in its candidate configuration where it pushes
	// to the firewall from, pushed or not, by xpath; nil: it was not asked. Only of a plan.
	standing        map[string]*xmlapi.Node
	standingUnknown error // why Panorama could not be asked for it

	pending   fact[bool]           // somebody's edits are not committed
	edits     []xmlapi.PendingEdit // those; none: not told. Only of a plan, as is ourselves
	ourselves string               // as whom we act; "": not known
	inForce   *Facts               // the running configuration and its network; nil: it is as the candidate, or a sensor that drops is not asked for. Only of a plan
	candidate []candidateFact      // of our objects; only if pending

	rights     rights
	limits     fact[capacity.Limits]
	lists      fact[capacity.Lists] // of addresses, all together; only ModeList
	registered fact[int]            // registered addresses, of all owners, in the virtual system; only ModeTag
	members    fact[*xmlapi.Node]   // of dynamic address groups; only ModeTag
	list       fact[*xmlapi.Node]   // our list as the firewall holds it; nil: it holds none
	refreshes  fact[[]xmlapi.Job]   // jobs that fetched lists, the latest first
}

// systemFacts is another virtual system of the firewall.
type systemFacts struct {
	name   string
	pushed []xmlapi.Pushed // as vsysPushed
	none   bool            // it is not known on the firewall
}

// fact is an answer, or why there is none.
type fact[T any] struct {
	value T
	err   error
}

func learn[T any](value T, err error) fact[T] { return fact[T]{value, err} }

// candidateFact is an object of ours in the running and in the candidate configuration; nil: not there.
type candidateFact struct {
	what               string // for a reader
	batched            bool   // ModeGroup collects changes of it for its next commit
	running, candidate *xmlapi.Node
	err                error
}

// errNotAsked is a question that there was no reason to ask.
var errNotAsked = errors.New("not requested")

// ReadFacts asks the firewall everything that Verify needs to know. It changes nothing: it makes about twenty calls, more
// when edits wait for a commit, all of them reads, and one User-ID message that registers nothing.
//
// It reads the running configuration and what Panorama pushed; of the candidate, only our own objects, to compare. When
// ctx ends, what was not asked yet carries its error.
func ReadFacts(ctx context.Context, d *xmlapi.Device, want Expectation) *Facts {
	f := &Facts{Firewall: d.Name(), VSys: d.VSys(), insecure: d.Insecure(), throughPanorama: d.ThroughPanorama()}
	if err := d.Identify(ctx); err != nil {
		f.nothing(err)
		return f
	}
	f.info, f.certificate = learn(d.Info(), nil), xmlapi.CertificateOf(d)
	f.version = d.Version()
	f.readRunning(ctx, d)
	if k := xmlapi.Kind(f.own.err); k == xmlapi.KindUnreachable || k == xmlapi.KindTimeout || k == xmlapi.KindCanceled {
		f.nothing(f.own.err) // it went away; every further question would wait for it
		return f
	}
	if f.own.err == nil && f.own.value == nil {
		f.nothing(d.Fail("read the virtual system", &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: "virtual system " + f.VSys + " does not exist"}))
		return f
	}
	f.readPushed(ctx, d)
	f.readNetwork(ctx, d, nil, d.Show)
	f.readZone(ctx, d)
	readKeyLife(ctx, f, d)
	f.readCandidate(ctx, d, want)
	f.readRights(ctx, d, want)
	f.readCapacity(ctx, d, want)
	f.readList(ctx, d, want)
	return f
}

// nothing is what is known of a firewall that cannot be asked at all.
func (f *Facts) nothing(err error) {
	f.info.err = err
	for _, e := range []*error{
		&f.own.err, &f.zone.err, &f.life.err, &f.lines.err, &f.shared.err, &f.vsysPushed.err, &f.barePushed.err, &f.template.err, &f.pending.err,
		&f.limits.err, &f.lists.err, &f.registered.err, &f.members.err, &f.list.err, &f.refreshes.err, &f.rights.op.err,
	} {
		*e = err
	}
}

// policyError is why the rules and objects cannot be judged; nil: they can.
func (f *Facts) policyError() error {
	return cmp.Or(f.own.err, f.shared.err, f.vsysPushed.err, f.barePushed.err)
}

// policy puts together what was read.
func (f *Facts) policy() *vsysPolicy {
	return newPolicy(sources{
		serial: f.info.value.Serial, vsys: f.VSys,
		own: f.own.value, shared: f.shared.value,
		pushed: f.pushed(), template: f.template.value,
	})
}

// pushed gives what Panorama pushed. Of the answer without a virtual system only what is shared counts: a firewall with
// one gives all of it twice.
func (f *Facts) pushed() []xmlapi.Pushed {
	parts := slices.Clone(f.vsysPushed.value)
	for _, part := range f.barePushed.value {
		if part.Shared {
			parts = append(parts, part)
		}
	}
	return parts
}
