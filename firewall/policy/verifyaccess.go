package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// accessChecks look at how the firewall is reached, what we may do on it, and what waits for a commit.
type accessChecks struct{ *verifier }

func (v accessChecks) api(f *findings) {
	err := v.f.info.err
	if err == nil {
		i := v.f.info.value
		f.note("%s, serial number %s, PAN-OS %s, %s", i.Model, i.Serial, i.Version, v.f.VSys)
		if v.f.insecure {
			f.warn("Set ca_file to the CA of its certificate and insecure_skip_verify to false; the certificate is created under "+
				"Device > Certificate Management > Certificates and selected under Device > Setup > Management > General Settings > SSL/TLS Service Profile.",
				"its certificate is not verified: anyone on the path can read the API key")
		}
		v.key(f)
		v.certificate(f)
		return
	}
	if xmlapi.Kind(err) == xmlapi.KindAPI && v.f.throughPanorama {
		f.fail("Set target of this firewall to its serial number, as this Panorama lists it under Panorama > Managed Devices > Summary, and see that it is connected there. CLI of Panorama: show devices connected", "%s", cause(err))
		return
	}
	if xmlapi.Kind(err) == xmlapi.KindAuth && v.want.OthersKey {
		f.fail("Create a key on this member (peer_url): activedefense keygen --url, for peer_api_key_file: the key is the other member's, and no new one of that is sure to be valid on both. "+
			"Or set username and password_file in place of the key, and each member makes its own.", "%s", cause(err))
		return
	}
	f.fail(map[string]string{
		xmlapi.KindUnreachable: "Check url, the route to the management interface, and Device > Setup > Interfaces > Management > Permitted IP Addresses and HTTPS.",
		xmlapi.KindTimeout:     "Check url and whether the management plane is busy (show system resources); increase timeout if needed.",
		xmlapi.KindTLS: "Set ca_file to the CA of its certificate, and url to a name in the certificate; the certificate is selected under " +
			"Device > Setup > Management > General Settings > SSL/TLS Service Profile.",
		xmlapi.KindAuth:        "Create a new key: activedefense keygen; keys expire when the administrator's password changes, and as set under Device > Setup > Management > Authentication Settings > API Key Lifetime.",
		xmlapi.KindRole:        "Device > Admin Roles > the role of this administrator > XML API: enable Operational Requests.",
		xmlapi.KindUnsupported: "Set url, vsys and target to a firewall with PAN-OS 9.0 or later and an existing virtual system.",
	}[xmlapi.Kind(err)], "%s", cause(err))
}

// soonest is how long before their end a key or a certificate is to be renewed, at most; one that lasts less than four times that, in the last
// quarter.
const soonest = 14 * 24 * time.Hour

// EndsSoon tells whether what lasts from the one time to the other is to be renewed now.
func EndsSoon(from, end, now time.Time) bool {
	return now.After(SoonSince(from, end))
}

// SoonSince is the time from which on EndsSoon says so.
func SoonSince(from, end time.Time) time.Time { return end.Add(-min(soonest, end.Sub(from)/4)) }

// RenewKey is what a person does about a key that ends.
func RenewKey(file string) string {
	return "Make another one before that: activedefense keygen --force " + file + " with the url and user of before; the daemon uses it at once. " +
		"How long keys last is set under Device > Setup > Management > Authentication Settings > API Key Lifetime."
}

// RenewCertificate is what a person does about a firewall's certificate that ends.
const RenewCertificate = "Device > Certificate Management > Certificates: renew it, or the one selected under Device > Setup > Management > General Settings > SSL/TLS Service Profile; " +
	"where another CA signs it, put that into ca_file beside the present one first, and reload."

// key says how long the API key lasts.
func (v accessChecks) key(f *findings) {
	life, known := KeyLife(v.f)
	switch {
	case v.want.KeyRenewed:
		f.note("its API key is made anew when it ends")
	case errors.Is(v.f.life.err, errNotAsked):
		f.note("how long the API key lasts is not known: it is the Panorama's")
	case !known:
		f.note("how long API keys last could not be read: %s", cause(v.f.life.err))
	case life == 0:
		f.note("API keys do not end there by themselves")
	case v.want.KeyMade.IsZero():
		f.warn("Keep the key in a file that activedefense keygen writes (api_key_file): it is as old as that.", "API keys end there after %s, and since when there is this one is not known", span(life))
	default:
		ends := v.want.KeyMade.Add(life)
		text := fmt.Sprintf("at %s at the latest: keys last %s there, and %s was written at %s", ends.UTC().Format(time.RFC3339), span(life), v.want.KeyFile, v.want.KeyMade.UTC().Format(time.RFC3339))
		switch {
		case !v.want.Now.Before(ends):
			f.warn(RenewKey(v.want.KeyFile), "its API key should have ended %s, and is taken all the same: it may be refused at any time", text)
		case EndsSoon(v.want.KeyMade, ends, v.want.Now):
			f.warn(RenewKey(v.want.KeyFile), "its API key ends %s", text)
		default:
			f.note("its API key ends %s", text)
		}
	}
}

// span is a length of time in the unit in which keys are given theirs.
func span(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return english.Plural(int(d/(24*time.Hour)), "day", "")
	case d%time.Hour == 0:
		return english.Plural(int(d/time.Hour), "hour", "")
	}
	return english.Plural(int(d/time.Minute), "minute", "")
}

// certificate says how long the certificate is good that was shown.
func (v accessChecks) certificate(f *findings) {
	c := v.f.certificate
	switch {
	case c.Ends.IsZero():
	case !v.f.insecure && EndsSoon(c.Begins, c.Ends, v.want.Now):
		f.warn(RenewCertificate, "its certificate is good until %s, when %q ends: nothing can be sent to it after that", c.Ends.UTC().Format(time.RFC3339), xmlapi.Tidy(c.Name))
	default:
		f.note("its certificate ends at %s", c.Ends.UTC().Format(time.RFC3339))
	}
}

// enableRight is how an administrator is given a right.
const enableRight = "Device > Admin Roles > the role of this administrator > XML API: enable %s."

func (v accessChecks) role(f *findings) {
	if f.unasked(v.f.info.err) {
		return
	}
	g := v.f.rights
	have := []string{"operational requests"}
	needConfig := v.want.Mode == firewall.ModeGroup || v.want.MayProvision
	switch {
	case g.config.value:
		have = append(have, "configuration")
	case needConfig:
		f.fail(fmt.Sprintf(enableRight, "Configuration"), "no permission to read and write the configuration: %s", cause(g.config.err))
	}
	if v.want.Mode == firewall.ModeTag {
		switch {
		case g.userID.value:
			have = append(have, "User-ID agent")
		case refusedRight(g.userID.err):
			f.fail(fmt.Sprintf(enableRight, "User-ID Agent"), "no permission to send User-ID messages: %s", cause(g.userID.err))
		default:
			f.unasked(g.userID.err)
		}
	}
	switch {
	case g.imports.value:
		have = append(have, "import")
	case refusedRight(g.imports.err):
		f.fail(fmt.Sprintf(enableRight, "Import"), "no permission to import our CA, which provision does: %s", cause(g.imports.err))
	}
	f.note("permissions: %s", strings.Join(have, ", "))
	if needConfig {
		f.note("the permission to commit is not tested, as only a commit would show it")
	}
	switch {
	case g.superuser.value:
		remedy := "Device > Administrators > this administrator: Role Based, with a dedicated role under Device > Admin Roles (XML API: " + v.leastRole() + ")."
		if !v.want.MayProvision {
			remedy += " If it provisions, too, it needs the role active-defense-provision of firewall/README.md."
		}
		f.warn(remedy, "it is a superuser or equivalent, which is more than required")
	case g.superuser.err != nil:
		f.note("whether it has more permissions than required could not be determined")
	}
}

// leastRole names the rights of the XML API that a mode needs.
func (v accessChecks) leastRole() string {
	role := "Operational Requests"
	if v.want.Mode == firewall.ModeTag {
		role += ", User-ID Agent"
	}
	if v.want.Mode == firewall.ModeGroup || v.want.MayProvision {
		role += ", Configuration, Commit"
	}
	if v.want.MayProvision {
		role += ", Import"
	}
	return role
}

// refusedRight tells of the error of a call that was tried whether it was refused for want of a right.
func refusedRight(err error) bool {
	return xmlapi.Kind(err) == xmlapi.KindRole || xmlapi.Kind(err) == xmlapi.KindAuth
}

func (v accessChecks) committed(f *findings) {
	if f.unasked(v.f.pending.err) {
		return
	}
	if !v.f.pending.value {
		f.note("no uncommitted changes")
		return
	}
	for _, c := range v.f.candidate {
		switch remedy := "Commit > Commit Changes Made By this administrator only, after reviewing Preview Changes; or revert them under Device > Setup > Operations."; {
		case c.err != nil && xmlapi.Kind(c.err) == xmlapi.KindRole:
			f.warn("", "there are uncommitted changes; whether any is to our objects could not be checked without the right to the configuration")
		case c.err != nil:
			f.unasked(c.err)
		case c.running == nil && c.candidate == nil:
		case c.running == nil:
			f.warn(remedy, "%s was added but not committed", c.what)
		case c.candidate == nil:
			f.warn(remedy, "%s was deleted but not committed", c.what)
		case c.running.Clean().XML() == c.candidate.Clean().XML():
		case c.batched:
			f.note("changes to %s wait for the daemon's next commit", c.what)
		default:
			f.warn(remedy, "%s was changed but not committed", c.what)
		}
	}
	if len(f.notes) == 0 {
		f.note("there are uncommitted changes, none of them to our objects")
	}
}
