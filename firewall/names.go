package firewall

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"

	"activedefense/firewall/xmlapi"
)

// Modes of enforcement.
const (
	ModeTag   = "dynamic-tag"   // registered addresses bear a tag that a dynamic address group matches; no commit
	ModeGroup = "address-group" // address objects in a static group; a commit for every batch
	ModeList  = "edl"           // the firewall fetches our list; nothing is written
)

// Names are what our objects on a firewall are called. They follow from the tag alone, so that several agents, or
// several virtual systems, keep apart by theirs.
type Names struct {
	Tag      string // the tag object, and the tag of registered addresses and of our address objects
	Group    string // the dynamic or static address group that the block rule uses
	Nobody   string // the address object that keeps a static group from being empty
	List     string // the external dynamic list
	Block    string // the first rule, which drops what is blocked
	Listed   string // the rule that drops what is on the list, where another source has Block: see PAN-274213
	Sensor   string // the last rule, which drops and logs what nothing else allowed; only where it was asked for
	Logs     string // the log forwarding profile
	Syslog   string // the syslog server profile
	CertProf string // the certificate profile of the list
	CA       string // our CA among the firewall's certificates
}

// maxStem leaves room for what is put behind it: "-" and an IPv6 network of 43 bytes within the 63 of an object's name
// (PAN-OS documentation, "Create an Address Object"), or "-sensor" within the 31 of a profile's or certificate's.
const maxStem = 19

// NamesFor gives the names that follow from a tag. A tag that serves as the beginning of object names is that; of a
// longer one, or one with other characters, the beginning is taken, and a number that tells it from others.
func NamesFor(tag string) Names {
	stem := stem(tag)
	return Names{
		Tag: tag, Group: stem, Nobody: stem + "-nobody", List: stem + "-list", Block: stem + "-block", Listed: stem + "-block-list", Sensor: stem + "-sensor",
		Logs: stem, Syslog: stem, CertProf: stem, CA: stem + "-ca",
	}
}

// stem makes of a tag what an object's name may begin with: letters, digits, - and _, a letter or digit first.
func stem(tag string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, tag)
	if plain == tag && len(tag) <= maxStem && tag[0] != '-' {
		return tag
	}
	sum := sha256.Sum256([]byte(tag))
	plain = strings.TrimLeft(plain, "-_")
	return plain[:min(len(plain), maxStem-9)] + "x" + hex.EncodeToString(sum[:4])
}

// object is the name of the address object for an address or network, at most 63 bytes. Two never share one.
func (n Names) object(p netip.Prefix) string {
	text := strings.NewReplacer(":", "_", "/", "-").Replace(FormatAddress(p))
	return n.Group + "-" + text
}

// AdminTag is the tag object by which we find out as whom we act; it stands for a moment and is never committed.
func (n Names) AdminTag() string { return n.Group + "-admin" }

// nobody keeps a static group from being empty, which PAN-OS refuses. It belongs to a documentation range.
var nobody = netip.MustParsePrefix("192.0.2.255/32")

// TagEntry is the tag object, as it is written.
func (n Names) TagEntry() *xmlapi.Node {
	return xmlapi.NamedEntry(n.Tag, xmlapi.Leaf("comments", "owned by Active Defense"))
}

// NobodyEntry is the address object that keeps a static group from being empty, as it is written.
func (n Names) NobodyEntry() *xmlapi.Node { return n.addressEntry(n.Nobody, nobody) }

// MemberEntry is the address object by which a static group holds an address or network, as it is written.
func (n Names) MemberEntry(p netip.Prefix) *xmlapi.Node { return n.addressEntry(n.object(p), p) }

// addressEntry is an address object of ours.
func (n Names) addressEntry(name string, p netip.Prefix) *xmlapi.Node {
	return xmlapi.NamedEntry(name, xmlapi.Leaf("ip-netmask", FormatAddress(p)), xmlapi.MemberList("tag", n.Tag))
}
