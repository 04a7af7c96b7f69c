package enforce

import (
	"strings"
	"time"

	"activedefense/config"
	"activedefense/firewall/xmlapi"
)

// devices opens the firewalls of the configuration. Entries at the same management address, several virtual systems of
// one firewall or several firewalls behind one Panorama, share a connection.
type devices struct {
	agent string // user agent of the calls
	calls *Calls
	now   func() time.Time
	open  map[place]*xmlapi.Device
	files map[string]*keyFile // by path
	ways  map[string]*access  // by the member's name
}

// A place is what entries must have in common to share a connection: where, as whom, and what proves that it is there.
type place struct {
	url, username, password, key, file, ca string
	insecure                               bool
	timeout                                time.Duration
}

func newDevices(version string, calls *Calls, now func() time.Time) *devices {
	return &devices{agent: "activedefense/" + version, calls: calls, now: now, open: map[place]*xmlapi.Device{},
		files: map[string]*keyFile{}, ways: map[string]*access{}}
}

// member opens one firewall of an entry: the one at url, or its peer.
func (d *devices) member(fw config.Firewall, name, url string) (*xmlapi.Device, error) {
	path, key := keyFileOf(fw, name)
	way := &access{name: name, login: key == "", now: d.now}
	way.others = fw.PeerURL != "" && name == peerName(fw) && !way.login && fw.PeerAPIKeyFile == ""
	options := xmlapi.Options{
		Name: name, URL: url, Target: fw.Target, VSys: fw.VSys,
		APIKey: key.Reveal(), Username: fw.Username, Password: fw.Password.Reveal(),
		CA: fw.CA, InsecureSkipVerify: fw.InsecureSkipVerify, Timeout: fw.Timeout, UserAgent: d.agent, Now: d.now,
		OnCall: d.calls.observer(name),
	}
	if path != "" {
		if d.files[path] == nil {
			d.files[path] = newKeyFile(path, key.Reveal(), d.now)
		}
		way.file, options.ReadKey = d.files[path], d.files[path].read
	}
	at := place{
		url: strings.TrimSuffix(strings.ToLower(url), ":443"), username: fw.Username, password: fw.Password.Reveal(),
		key: key.Reveal(), file: path, ca: string(fw.CA), insecure: fw.InsecureSkipVerify, timeout: fw.Timeout,
	}
	var err error
	if first := d.open[at]; first != nil {
		way.device, err = first.Sibling(options)
	} else if way.device, err = xmlapi.Open(options); err == nil {
		d.open[at] = way.device
	}
	d.ways[name] = way
	return way.device, err
}

// pair opens an entry's firewall and, if it has one, the other member of its pair.
func (d *devices) pair(fw config.Firewall) ([]*xmlapi.Device, error) {
	first, err := d.member(fw, fw.Name, fw.URL)
	if err != nil || fw.PeerURL == "" {
		return []*xmlapi.Device{first}, err
	}
	peer, err := d.member(fw, peerName(fw), fw.PeerURL)
	return []*xmlapi.Device{first, peer}, err
}
