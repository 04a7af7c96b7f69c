package firewall

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
	List     string // the external dynamic list
	Block    string // the first rule, which drops what is blocked
	Sensor   string // the last rule, which drops and logs what nothing else allowed
	Logs     string // the log forwarding profile
	Syslog   string // the syslog server profile
	CertProf string // the certificate profile of the list
	CA       string // our CA among the firewall's certificates
}

// NamesFor gives the names that follow from a tag.
func NamesFor(tag string) Names {
	return Names{
		Tag: tag, Group: tag, List: tag + "-list", Block: tag + "-block", Sensor: tag + "-sensor",
		Logs: tag, Syslog: tag, CertProf: tag, CA: tag + "-ca",
	}
}
