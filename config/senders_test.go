package config

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSendersAreThoseThatTheConfigurationNames(t *testing.T) {
	c := &Config{Firewalls: []Firewall{
		{Name: "fw1", URL: "https://192.0.2.2", PeerURL: "https://192.0.2.1:8443"},
		{Name: "fw2", URL: "https://[2001:db8::1]"},
		{Name: "fw3", URL: "https://fw3.example.com"},
		{Name: "fw4", URL: "https://192.0.2.9", Target: "007051000012345"},
	}}
	known, unknown := c.Senders()
	if want := `if not ($fromhost-ip == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]) then stop`; !strings.Contains(string(RsyslogFor(known)), want) {
		t.Errorf("%s\nhas no %s", RsyslogFor(known), want)
	}
	if text := string(RsyslogFor(known)); strings.Contains(text, "Until then all are refused") || !strings.Contains(string(Rsyslog), unfilled) {
		t.Errorf("it speaks of senders to be written where they are:\n%s", text)
	}
	if len(unknown) != 2 || !strings.Contains(unknown[0], "fw3.example.com") || !strings.Contains(unknown[1], "Panorama") {
		t.Errorf("not known are %q", unknown)
	}
}

// TestRsyslogAcceptsOnlyThoseNamed lets the real rsyslog receive datagrams, where it is installed: who is not named makes no file,
// and as long as nobody is named nobody does.
func TestRsyslogAcceptsOnlyThoseNamed(t *testing.T) {
	rsyslogd, err := exec.LookPath("rsyslogd")
	if err != nil {
		t.Log("rsyslogd is not installed; only what the snippet says is checked")
	}
	for _, part := range []string{`global(net.enableDNS="off")`, "\n    if not ($fromhost-ip == " + nobody + ") then stop\n"} {
		if strings.Count(string(Rsyslog), part) != 1 {
			t.Errorf("the snippet does not say %s", part)
		}
	}
	if err == nil {
		if files := received(t, rsyslogd, RsyslogFor([]netip.Addr{netip.MustParseAddr("127.0.0.1")})); len(files) != 1 || files[0] != "127.0.0.1.log" {
			t.Errorf("with 127.0.0.1 named there are files %q", files)
		}
		if files := received(t, rsyslogd, Rsyslog); len(files) != 0 {
			t.Errorf("with nobody named there are files %q", files)
		}
	}
}

// received runs rsyslog with a snippet, sends it a datagram from each of two addresses and stops it, which has it write what
// it has. It gives the files that came of that.
func received(t *testing.T, rsyslogd string, snippet []byte) (files []string) {
	dir := t.TempDir()
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	free, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := free.LocalAddr().(*net.UDPAddr).Port
	free.Close()
	text := strings.ReplaceAll(string(snippet), `type="imudp" port="514"`, `type="imudp" address="127.0.0.1" port="`+strconv.Itoa(port)+`"`)
	text = strings.ReplaceAll(text, `type="imtcp" port="514"`, `type="imtcp" address="127.0.0.1" port="`+strconv.Itoa(port)+`"`)
	text = strings.ReplaceAll(text, "/var/log/Firewall/", logs+"/")
	conf := filepath.Join(dir, "rsyslog.conf")
	ready := filepath.Join(logs, "ready")
	// What rsyslog writes for each message, of any sender, says that it has received it.
	text = strings.Replace(text, "    if not (", `    action(type="omfile" file="`+ready+`" flushOnTXEnd="on")`+"\n    if not (", 1)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rsyslogd, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- cmd.Wait() }()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for seen := ""; !strings.Contains(seen, "from 127.0.0.1") || !strings.Contains(seen, "from 127.0.0.2"); {
		select {
		case err := <-stopped:
			t.Fatalf("rsyslogd ended: %v", err)
		case <-deadline.C:
			_ = cmd.Process.Kill()
			t.Fatalf("rsyslogd has received only %q", seen)
		case <-tick.C:
		}
		for _, from := range []string{"127.0.0.1", "127.0.0.2"} { // again until it listens
			send(t, from, port)
		}
		data, _ := os.ReadFile(ready) // it comes with the first message
		seen = string(data)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-stopped:
	case <-deadline.C:
		_ = cmd.Process.Kill()
		t.Fatal("rsyslogd does not end")
	}
	list, err := os.ReadDir(logs)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range list {
		if item.Name() != "ready" {
			files = append(files, item.Name())
		}
	}
	return files
}

// send sends a message from an address.
func send(t *testing.T, from string, port int) {
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("<14>Nov 21 02:00:00 fw a message from " + from)) // refused until it is listened to
}
