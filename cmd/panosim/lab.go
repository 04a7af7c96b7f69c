package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/userid"
)

// device is one of the machines, with the name under which it is spoken of.
type device struct {
	*panosim.Sim
	name string
}

// lab is everything that runs.
type lab struct {
	settings settings
	printer  *printer

	directory string
	temporary bool // the directory is ours to remove
	keyFile   string
	caFile    string
	key       string

	firewalls []device // one, or the two of a pair
	pair      *panosim.HA
	panorama  *panosim.Panorama

	log      *os.File // nil: none was asked for
	watching sync.WaitGroup
}

// newLab starts the machines and writes the files that a client needs. On an error nothing is left.
func newLab(s settings, p *printer) (l *lab, err error) {
	l = &lab{settings: s, printer: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	options, err := s.options()
	if err != nil {
		return l, err
	}
	if err := l.openDirectory(); err != nil {
		return l, err
	}
	if err := l.readKey(); err != nil {
		return l, err
	}
	if err := l.openLog(); err != nil {
		return l, err
	}
	options.APIKey = l.key
	if err := l.startFirewalls(options); err != nil {
		return l, err
	}
	if err := l.startPanorama(options); err != nil {
		return l, err
	}
	return l, l.writeFiles()
}

// options are what the flags say of every machine.
func (s settings) options() (panosim.Options, error) {
	o := panosim.Options{Version: s.version, Model: s.model, VSys: s.vsys, Latency: s.latency, CommitTime: s.commitTime}
	var err error
	if o.Dialect, err = dialect.Parse(s.dialect); err != nil {
		return o, fmt.Errorf("--dialect: %w", err)
	}
	o.Users = map[string]string{}
	for _, user := range s.users {
		name, password, ok := strings.Cut(user, ":")
		if !ok || name == "" {
			return o, errors.New("--user: expected NAME:PASSWORD")
		}
		o.Users[name] = password
	}
	if s.panoramaConfig != "" && !s.panorama {
		return o, errors.New("--panorama-config: there is no Panorama; add --panorama")
	}
	o.Config, err = readFile("--config", s.config)
	return o, err
}

// readFile reads the file that a flag names, if it names one.
func readFile(flag, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	if len(data) == 0 {
		return "", fmt.Errorf("%s: %s is empty; expected <config>...</config>", flag, path)
	}
	return string(data), nil
}

func (l *lab) openDirectory() error {
	if l.directory = l.settings.directory; l.directory != "" {
		if err := os.MkdirAll(l.directory, 0o700); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
		return nil
	}
	var err error
	if l.directory, err = os.MkdirTemp("", "panosim-"); err != nil {
		return fmt.Errorf("make a directory for the key: %w", err)
	}
	l.temporary = true
	return nil
}

// readKey reads the API key, or makes one up and writes it.
func (l *lab) readKey() error {
	if l.keyFile = l.settings.keyFile; l.keyFile == "" {
		l.keyFile = filepath.Join(l.directory, "api.key")
	}
	data, err := os.ReadFile(l.keyFile)
	if err == nil {
		if l.key = strings.TrimSpace(string(data)); l.key == "" {
			return fmt.Errorf("--key-file: %s is empty; remove it to have a key made", l.keyFile)
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--key-file: %w", err)
	}
	l.key = panosim.NewKey()
	if err := os.WriteFile(l.keyFile, []byte(l.key+"\n"), 0o600); err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	return nil
}

func (l *lab) openLog() (err error) {
	if l.settings.logFile == "" {
		return nil
	}
	if l.log, err = os.OpenFile(l.settings.logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("--log-file: %w", err)
	}
	return nil
}

// appendLog writes a line of syslog into the file that was asked for, with the time of receipt in place of the priority
// and the time in its header, which has to be that of the format BSD.
func (l *lab) appendLog(line []byte) {
	_, message, ok := bytes.Cut(line, []byte(">"))
	if l.log == nil || !ok || len(message) < len(time.Stamp) {
		return
	}
	text := time.Now().Format(time.RFC3339Nano) + strings.TrimRight(string(message[len(time.Stamp):]), "\r\n")
	if _, err := l.log.WriteString(text + "\n"); err != nil {
		l.printer.line("panosim", "error: --log-file: %v", err)
	}
}

// address is where the nth machine listens.
func (s settings) address(n int) (string, error) {
	host, port, err := net.SplitHostPort(s.listen)
	if err != nil {
		return "", fmt.Errorf("--listen: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", fmt.Errorf("--listen: port %q is not a number from 0 to 65535", port)
	}
	if number > 0 {
		number += uint64(n)
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}

// start prepares the options of the nth machine, and starts it.
func (l *lab) start(n int, name, serial string, o panosim.Options, start func(panosim.Options) (*panosim.Sim, error)) (device, error) {
	var err error
	if o.Listen, err = l.settings.address(n); err != nil {
		return device{}, err
	}
	o.Hostname, o.Serial = name, serial
	o.OnChange = func(c userid.Change) { l.printer.change(name, c) }
	o.OnLog = func(line []byte) {
		l.printer.line(name, "log %s", strings.TrimSpace(string(line)))
		l.appendLog(line)
	}
	s, err := start(o)
	switch {
	case err != nil && o.Config != "":
		return device{}, fmt.Errorf("%s, with the configuration that was given: %w", name, err)
	case err != nil:
		return device{}, fmt.Errorf("%s: %w", name, err)
	}
	// What every firewall has done before anybody asks.
	s.AddJob("AutoCom", "")(true, "Configuration committed successfully")
	return device{s, name}, nil
}

func (l *lab) startFirewalls(o panosim.Options) error {
	names := []string{"lab-fw-01"}
	if l.settings.pair {
		names = append(names, "lab-fw-02")
	}
	for i, name := range names {
		d, err := l.start(i, name, serialOf(i), o, panosim.Start)
		if err != nil {
			return err
		}
		l.firewalls = append(l.firewalls, d)
	}
	if l.settings.pair {
		l.pair = panosim.Pair(l.firewalls[0].Sim, l.firewalls[1].Sim, panosim.PairOptions{})
	}
	return nil
}

func (l *lab) startPanorama(o panosim.Options) error {
	if !l.settings.panorama {
		return nil
	}
	var err error
	if o.Config, err = readFile("--panorama-config", l.settings.panoramaConfig); err != nil {
		return err
	}
	example := o.Config == ""
	if example {
		o.Config = l.examplePanorama()
	}
	o.Model, o.VSys = "", nil
	_, err = l.start(len(l.firewalls), "lab-panorama", "", o, func(o panosim.Options) (*panosim.Sim, error) {
		var managed []*panosim.Sim
		for _, d := range l.firewalls {
			managed = append(managed, d.Sim)
		}
		p, err := panosim.StartPanorama(panosim.PanoramaOptions{Options: o, Managed: managed})
		if err != nil {
			return nil, err
		}
		l.panorama = p
		return p.Sim, nil
	})
	if err != nil || !example {
		return err
	}
	return errors.Join(l.panorama.Push("branches"), l.panorama.PushTemplate("branch-stack"))
}

//go:embed panorama.xml
var examplePanorama string

// examplePanorama is the configuration of a Panorama that has a device group with a pre rule and a template stack, both of all firewalls.
func (l *lab) examplePanorama() string {
	var devices strings.Builder
	for i := range l.firewalls {
		fmt.Fprintf(&devices, `<entry name="%s"/>`, serialOf(i))
	}
	return strings.ReplaceAll(examplePanorama, "<devices/>", "<devices>"+devices.String()+"</devices>")
}

// serialOf is the serial number of the nth firewall.
func serialOf(n int) string { return fmt.Sprintf("%015d", 7_000_000_000_001+n) }

// devices lists every machine.
func (l *lab) devices() []device {
	if l.panorama == nil {
		return l.firewalls
	}
	return append(l.firewalls[:len(l.firewalls):len(l.firewalls)], device{l.panorama.Sim, "lab-panorama"})
}

// writeFiles writes the authorities of all machines into one file.
func (l *lab) writeFiles() error {
	var authorities []byte
	for _, d := range l.devices() {
		authorities = append(authorities, d.CA()...)
	}
	l.caFile = filepath.Join(l.directory, "ca.pem")
	if err := os.WriteFile(l.caFile, authorities, 0o600); err != nil {
		return fmt.Errorf("write the certificate authority: %w", err)
	}
	return nil
}

// close stops everything that was started, and removes what was made for this run alone.
func (l *lab) close() error {
	for _, d := range l.devices() {
		d.Close()
	}
	l.watching.Wait()
	var errs []error
	if l.log != nil {
		errs = append(errs, l.log.Close())
	}
	if l.temporary {
		errs = append(errs, os.RemoveAll(l.directory))
	}
	return errors.Join(errs...)
}

// introduce says what a client needs to know.
func (l *lab) introduce() {
	o := l.settings
	for _, d := range l.firewalls {
		l.printer.line(d.name, "%s with PAN-OS %s listens at %s", o.model, o.version, d.URL())
	}
	if l.panorama != nil {
		l.printer.line("lab-panorama", "Panorama %s, which manages %s, listens at %s", o.version, strings.Join(l.panorama.Serials(), " and "), l.panorama.URL())
	}
	l.printer.line("panosim", "key file %s", l.keyFile)
	l.printer.line("panosim", "CA file %s", l.caFile)
	l.printer.line("panosim", `"help" lists the commands, "quit" stops`)
}
