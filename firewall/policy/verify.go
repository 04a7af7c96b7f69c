package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// Results of a check.
const (
	ResultPass = "pass"
	ResultWarn = "warn" // it works, but not as well as it should; or it could not be asked
	ResultFail = "fail"
)

// The checks, in the order in which Verify gives them.
const (
	CheckAPI           = "api"
	CheckRole          = "api-role"
	CheckBlockSource   = "block-source"
	CheckBlockRule     = "block-rule"
	CheckBlockPosition = "block-rule-position"
	CheckBlockLogs     = "block-rule-logs"
	CheckSensor        = "sensor-rule"
	CheckForwarding    = "log-forwarding"
	CheckFormat        = "syslog-format"
	CheckInternetRules = "internet-rules"
	CheckList          = "edl-source"
	CheckCommitted     = "committed"
	CheckCapacity      = "capacity"
	CheckMembers       = "dag-members"
)

// Check is what one check found.
type Check struct {
	Firewall string `json:"firewall"`
	Check    string `json:"check"`  // one of the Check constants
	Result   string `json:"result"` // ResultPass, ResultWarn or ResultFail
	Detail   string `json:"detail"` // what was found
	Remedy   string `json:"remedy"` // what a person can do about it, to click or to type; "" if it passed
}

// Verify judges facts. It always gives all fourteen checks in the same order, so that a check that has gone is not
// taken for one that passes; one that does not apply to the mode passes, and says so.
//
// What could not be asked is a warning with the reason, never a pass; only "api" fails for that.
func Verify(f *Facts, want Expectation) []Check {
	v := newVerifier(f, want)
	checks := []struct {
		name string
		run  func(*report)
	}{
		{CheckAPI, v.api}, {CheckRole, v.role}, {CheckBlockSource, v.blockSource}, {CheckBlockRule, v.blockRule},
		{CheckBlockPosition, v.blockPosition}, {CheckBlockLogs, v.blockLogs}, {CheckSensor, v.sensor},
		{CheckForwarding, v.forwarding}, {CheckFormat, v.format}, {CheckInternetRules, v.internetRules},
		{CheckList, v.listSource}, {CheckCommitted, v.committed}, {CheckCapacity, v.capacity}, {CheckMembers, v.dagMembers},
	}
	out := make([]Check, 0, len(checks))
	for _, c := range checks {
		var r report
		c.run(&r)
		out = append(out, r.check(f.Firewall, c.name))
	}
	return out
}

// verifier holds what several checks need.
type verifier struct {
	f    *Facts
	want Expectation
	p    *vsysPolicy
	cli  cli

	zones   zoneChoice
	pairs   []traffic         // from the internet zones
	asked   map[traffic][]int // rules by index that are asked about it
	block   map[traffic]int   // the first rule by index that blocks it; -1: none does
	sources []blockSource
	names   map[string]bool // of the sources
	logs    []logProfile    // ours
	servers []syslogProfile // ours
}

func newVerifier(f *Facts, want Expectation) *verifier {
	if want.Now.IsZero() {
		want.Now = time.Now()
	}
	v := &verifier{f: f, want: want, p: f.policy(), names: map[string]bool{}}
	v.cli = cli{vsys: f.VSys, multi: f.info.value.MultiVSys, firewall: f.Firewall, provision: want.MayProvision}
	v.zones = chooseZones(want.InternetZones, v.p.zones)
	v.pairs = v.p.between(v.zones.zones)
	v.sources = v.p.blockSources(want.Mode, want.Names, want.ListURL)
	for _, s := range v.sources {
		v.names[s.name] = true
	}
	v.block = v.blockers()
	v.asked = v.p.asked(v.pairs)
	v.logs, v.servers = v.p.ourLogs(want), v.p.ourSyslog(want)
	return v
}

// report collects what one check finds.
type report struct {
	fails, warns, notes []string
	remedies            []string
}

func (r *report) fail(remedy, format string, args ...any) {
	r.fails = append(r.fails, fmt.Sprintf(format, args...))
	r.remedy(remedy)
}

func (r *report) warn(remedy, format string, args ...any) {
	r.warns = append(r.warns, fmt.Sprintf(format, args...))
	r.remedy(remedy)
}

// note says what was found to be right.
func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *report) remedy(text string) {
	if text != "" && !slices.Contains(r.remedies, text) {
		r.remedies = append(r.remedies, text)
	}
}

// unasked warns of what could not be asked; false: there is nothing to warn of.
func (r *report) unasked(err error) bool {
	if err == nil {
		return false
	}
	r.warn(askRemedy(err), "could not be asked: %s", cause(err))
	return true
}

// askRemedy is what lets a refused question be asked.
func askRemedy(err error) string {
	switch xmlapi.Kind(err) {
	case xmlapi.KindRole:
		return "Device > Admin Roles > the role of this administrator > XML API: enable Operational Requests and Configuration."
	case xmlapi.KindAPI, xmlapi.KindMalformed:
		return "" // this version answers otherwise than any that is known
	}
	return `Mend "` + CheckAPI + `" first.`
}

const maxNamed = 20 // how many findings a detail names

func (r *report) check(firewall, name string) Check {
	c := Check{Firewall: firewall, Check: name, Result: ResultPass}
	found := r.notes
	switch {
	case len(r.fails) > 0:
		c.Result, found = ResultFail, slices.Concat(r.fails, r.warns)
	case len(r.warns) > 0:
		c.Result, found = ResultWarn, r.warns
	}
	if more := len(found) - maxNamed; more > 0 {
		found = append(slices.Clone(found[:maxNamed]), fmt.Sprintf("and %d more", more))
	}
	c.Detail = oneLine(strings.Join(found, "; "))
	c.Remedy = oneLine(strings.Join(r.remedies[:min(len(r.remedies), maxNamed)], " Also: "))
	return c
}

// oneLine makes names and texts of a firewall fit to print.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, " "), func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
}

// doesNotApply passes a check that has nothing to look at in this mode.
func (v *verifier) doesNotApply(r *report) { r.note("does not apply in mode %s", v.want.Mode) }

func (v *verifier) api(r *report) {
	err := v.f.info.err
	if err == nil {
		i := v.f.info.value
		r.note("%s, serial number %s, PAN-OS %s, %s", i.Model, i.Serial, i.Version, v.f.VSys)
		if v.f.insecure {
			r.warn("Name the authority of its certificate in ca_file and set insecure_skip_verify to false; the certificate is made under "+
				"Device > Certificate Management > Certificates and chosen under Device > Setup > Management > General Settings > SSL/TLS Service Profile.",
				"its certificate is not verified, so anyone between us and it can read the API key")
		}
		return
	}
	r.fail(map[string]string{
		xmlapi.KindUnreachable: "Check url, the route to the management interface, and Device > Setup > Interfaces > Management > Permitted IP Addresses and HTTPS.",
		xmlapi.KindTimeout:     "Check url and whether the management plane is busy (show system resources); timeout can be raised.",
		xmlapi.KindTLS: "Name the authority of its certificate in ca_file, and the name in the certificate in url; the certificate is chosen under " +
			"Device > Setup > Management > General Settings > SSL/TLS Service Profile.",
		xmlapi.KindAuth:        "Make a new key: activedefense keygen; keys end with the administrator's password and under Device > Setup > Management > Authentication Settings > API Key Lifetime.",
		xmlapi.KindRole:        "Device > Admin Roles > the role of this administrator > XML API: enable Operational Requests.",
		xmlapi.KindUnsupported: "Name a firewall with PAN-OS 9.0 or later and a virtual system that it has (url, vsys, target).",
	}[xmlapi.Kind(err)], "%s", cause(err))
}

func (v *verifier) role(r *report) {
	if r.unasked(v.f.info.err) {
		return
	}
	const where = "Device > Admin Roles > the role of this administrator > XML API: enable %s."
	g := v.f.rights
	have := []string{"operational requests"}
	needConfig := v.want.Mode == firewall.ModeGroup || v.want.MayProvision
	switch {
	case g.config.value:
		have = append(have, "configuration")
	case needConfig:
		r.fail(fmt.Sprintf(where, "Configuration"), "the right to read and write the configuration is missing: %s", cause(g.config.err))
	}
	if v.want.Mode == firewall.ModeTag {
		switch {
		case g.userID.value:
			have = append(have, "User-ID agent")
		case xmlapi.Kind(g.userID.err) == xmlapi.KindRole || xmlapi.Kind(g.userID.err) == xmlapi.KindAuth:
			r.fail(fmt.Sprintf(where, "User-ID Agent"), "the right to send User-ID messages is missing: %s", cause(g.userID.err))
		default:
			r.unasked(g.userID.err)
		}
	}
	r.note("it may use %s", strings.Join(have, ", "))
	if needConfig {
		r.note("whether it may commit is not tried, for only a commit would tell")
	}
	switch {
	case g.superuser.value:
		r.warn("Device > Administrators > this administrator: Role Based, with a role of its own under Device > Admin Roles (XML API: "+
			v.leastRole()+").", "it is a superuser, or as good as one, which is more than is needed")
	case g.superuser.err != nil:
		r.note("whether it may do more than it needs could not be found out")
	}
}

// leastRole names the rights of the XML API that a mode needs.
func (v *verifier) leastRole() string {
	role := "Operational Requests"
	if v.want.Mode == firewall.ModeTag {
		role += ", User-ID Agent"
	}
	if v.want.Mode == firewall.ModeGroup || v.want.MayProvision {
		role += ", Configuration, Commit"
	}
	return role
}

// cause tells why something could not be done, without the name of the firewall, which stands beside it.
func cause(err error) string {
	var e *xmlapi.Error
	switch {
	case err == nil:
		return "it is refused"
	case errors.As(err, &e):
		short := *e
		short.Firewall = ""
		return xmlapi.Tidy(short.Error())
	}
	return xmlapi.Tidy(err.Error())
}

func (v *verifier) committed(r *report) {
	if r.unasked(v.f.pending.err) {
		return
	}
	if !v.f.pending.value {
		r.note("no change waits for a commit")
		return
	}
	for _, c := range v.f.candidate {
		switch remedy := "Commit > Commit Changes Made By this administrator alone, after a look at Preview Changes; or take them back under Device > Setup > Operations."; {
		case c.err != nil:
			r.unasked(c.err)
		case c.running == nil && c.candidate == nil:
		case c.running == nil:
			r.warn(remedy, "%s is made but not committed", c.what)
		case c.candidate == nil:
			r.warn(remedy, "%s is removed but that is not committed", c.what)
		case c.running.Clean().XML() == c.candidate.Clean().XML():
		case c.batched:
			r.note("changes of %s wait for the next commit of the daemon", c.what)
		default:
			r.warn(remedy, "%s was changed but that is not committed", c.what)
		}
	}
	if len(r.notes) == 0 {
		r.note("changes wait for a commit, none of them to our objects")
	}
}

// within gives the entries that began longer ago than that.
func older(entries []firewall.Entry, than time.Duration, now time.Time) []firewall.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e firewall.Entry) bool { return !e.Since.IsZero() && now.Sub(e.Since) < than })
}

// cli writes remedies that can be typed, as a virtual system's administrator would type them.
type cli struct {
	vsys, firewall   string
	multi, provision bool
}

const cliPrefix = "CLI, configure mode: "

// set is a command of the configuration mode.
func (c cli) set(format string, args ...any) string { return c.command("set ", format, args...) }

func (c cli) move(format string, args ...any) string { return c.command("move ", format, args...) }

func (c cli) command(verb, format string, args ...any) string {
	if c.multi {
		verb += "vsys " + c.vsys + " "
	}
	return cliPrefix + verb + fmt.Sprintf(format, args...)
}

// or offers our own way first where we may write.
func (c cli) or(byHand string) string {
	if !c.provision {
		return byHand
	}
	return "activedefense provision --firewall " + word(c.firewall) + " shows what would be made, and makes it with --apply --commit. Or: " + byHand
}

// word quotes a name for a command line if it must be.
func word(name string) string {
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	}) {
		return name
	}
	return `"` + xmlapi.Tidy(name) + `"`
}

func words(names []string) string {
	switch len(names) {
	case 0:
		return anything
	case 1:
		return word(names[0])
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = word(n)
	}
	return "[ " + strings.Join(quoted, " ") + " ]"
}

// orAny names the zones for a rule.
func (c zoneChoice) orAny() string { return words(c.zones) }

// plural writes a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, cmp.Or(many, one+"s"))
}
