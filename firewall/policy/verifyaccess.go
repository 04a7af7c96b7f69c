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
			f.warn("Set ca_file to the CA of its certificate and insecure_skip_verify to false; the certificate is created under "+
				"Device > Certificate Management > Certificates and selected under Device > Setup > Management > General Settings > SSL/TLS Service Profile.",
				"its certificate is not verified: anyone on the path can read the API key")
		}
		return
	}
	if xmlapi.Kind(err) == xmlapi.KindAPI && v.f.throughPanorama {
		f.fail("Set target of this firewall to its serial number, as this Panorama lists it under Panorama > Managed Devices > Summary, and see that it is connected there. CLI of Panorama: show devices connected", "%s", cause(err))
		return
	}
	if xmlapi.Kind(err) == xmlapi.KindAuth && v.want.OthersKey {
		f.fail("Set username and password_file of this firewall in place of its API key: that is the other member's, and no new key of one is sure to be valid on both; "+
			"with a password each member makes a key of its own.", "%s", cause(err))
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
