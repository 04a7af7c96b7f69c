package policy

import (
	"fmt"
	"strings"

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
			f.warn("Name the authority of its certificate in ca_file and set insecure_skip_verify to false; the certificate is made under "+
				"Device > Certificate Management > Certificates and chosen under Device > Setup > Management > General Settings > SSL/TLS Service Profile.",
				"its certificate is not verified, so anyone between us and it can read the API key")
		}
		return
	}
	f.fail(map[string]string{
		xmlapi.KindUnreachable: "Check url, the route to the management interface, and Device > Setup > Interfaces > Management > Permitted IP Addresses and HTTPS.",
		xmlapi.KindTimeout:     "Check url and whether the management plane is busy (show system resources); timeout can be raised.",
		xmlapi.KindTLS: "Name the authority of its certificate in ca_file, and the name in the certificate in url; the certificate is chosen under " +
			"Device > Setup > Management > General Settings > SSL/TLS Service Profile.",
		xmlapi.KindAuth:        "Make a new key: activedefense keygen; keys end with the administrator's password and under Device > Setup > Management > Authentication Settings > API Key Lifetime.",
		xmlapi.KindRole:        "Device > Admin Roles > the role of this administrator > XML API: enable Operational Requests.",
		xmlapi.KindUnsupported: "Name a firewall with PAN-OS 9.0 or later and a virtual system that it has (url, vsys, target).",
	}[xmlapi.Kind(err)], "%s", cause(err))
}

func (v accessChecks) role(f *findings) {
	if f.unasked(v.f.info.err) {
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
		f.fail(fmt.Sprintf(where, "Configuration"), "the right to read and write the configuration is missing: %s", cause(g.config.err))
	}
	if v.want.Mode == firewall.ModeTag {
		switch {
		case g.userID.value:
			have = append(have, "User-ID agent")
		case xmlapi.Kind(g.userID.err) == xmlapi.KindRole || xmlapi.Kind(g.userID.err) == xmlapi.KindAuth:
			f.fail(fmt.Sprintf(where, "User-ID Agent"), "the right to send User-ID messages is missing: %s", cause(g.userID.err))
		default:
			f.unasked(g.userID.err)
		}
	}
	f.note("it may use %s", strings.Join(have, ", "))
	if needConfig {
		f.note("whether it may commit is not tried, for only a commit would tell")
	}
	switch {
	case g.superuser.value:
		f.warn("Device > Administrators > this administrator: Role Based, with a role of its own under Device > Admin Roles (XML API: "+
			v.leastRole()+").", "it is a superuser, or as good as one, which is more than is needed")
	case g.superuser.err != nil:
		f.note("whether it may do more than it needs could not be found out")
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
	return role
}

func (v accessChecks) committed(f *findings) {
	if f.unasked(v.f.pending.err) {
		return
	}
	if !v.f.pending.value {
		f.note("no change waits for a commit")
		return
	}
	for _, c := range v.f.candidate {
		switch remedy := "Commit > Commit Changes Made By this administrator alone, after a look at Preview Changes; or take them back under Device > Setup > Operations."; {
		case c.err != nil:
			f.unasked(c.err)
		case c.running == nil && c.candidate == nil:
		case c.running == nil:
			f.warn(remedy, "%s is made but not committed", c.what)
		case c.candidate == nil:
			f.warn(remedy, "%s is removed but that is not committed", c.what)
		case c.running.Clean().XML() == c.candidate.Clean().XML():
		case c.batched:
			f.note("changes of %s wait for the next commit of the daemon", c.what)
		default:
			f.warn(remedy, "%s was changed but that is not committed", c.what)
		}
	}
	if len(f.notes) == 0 {
		f.note("changes wait for a commit, none of them to our objects")
	}
}
