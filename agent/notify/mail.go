package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"activedefense/config"
	"activedefense/store"
)

const (
	mailMost  = 10_000           // notices of one mail
	othersGap = 15 * time.Second // between mails of other events than blocks and holds
	greyLimit = 15 * time.Minute // for how long one of several addresses may be refused for now before the others' next mail
)

// mails makes the receivers of mail: one for blocks and holds, whose mails are bounded, and one for all other events, which do not wait for these.
func mails(o Options) ([]*receiver, error) {
	c := &o.Config.Mail
	bounded := []string{store.EventBlock, store.EventHeld}
	var blocks, others []string
	for _, e := range config.Events() {
		switch wanted := len(c.Events) == 0 || slices.Contains(c.Events, e); {
		case wanted && slices.Contains(bounded, e):
			blocks = append(blocks, e)
		case wanted:
			others = append(others, e)
		}
	}
	var all []*receiver
	for _, lane := range []struct {
		name   string
		events []string
		pace   *pace
	}{{"mail", others, &pace{every: min(c.Digest, othersGap), hold: gatherFor}}, {"mail-blocks", blocks, &pace{every: c.Digest, most: c.MaxPerHour, hold: gatherFor}}} {
		if len(lane.events) == 0 {
			continue
		}
		m, err := newMailer(o)
		if err != nil {
			return nil, err
		}
		all = append(all, &receiver{name: lane.name, key: lane.name, events: lane.events, load: mailMost, each: mailMost, pace: lane.pace, send: m.send})
	}
	m, err := newMailer(o)
	if err != nil {
		return nil, err
	}
	all[0].name = "mail"
	all[0].test = func(ctx context.Context, n store.Notice) error {
		_, err := m.send(ctx, []store.Notice{n})
		return err
	}
	return all, nil
}

// mailer sends mails. It is for one goroutine.
type mailer struct {
	*config.Mail
	host, port string
	name       string // of the agent
	tls        *tls.Config
	now        func() time.Time
	most       int // notices of a mail that the server takes; 0: it has not refused one for good

	// Of a mail that some of several addresses did not take: which mail, which did, and since when it is tried.
	open  string
	got   map[string]bool
	since time.Time
}

func newMailer(o Options) (*mailer, error) {
	c := &o.Config.Mail
	roots, err := rootsOf(c.CA)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(c.Server)
	if err != nil {
		return nil, err
	}
	return &mailer{Mail: c, host: host, port: port, name: o.Name, tls: &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}, now: o.Now}, nil
}

// send sends one mail of these notices: of all of them, or of half as many each time that the server refuses one for good, for it may be too large.
func (m *mailer) send(ctx context.Context, notices []store.Notice) (done int, err error) {
	if m.most > 0 {
		notices = notices[:min(len(notices), m.most)]
	}
	done, err = m.one(ctx, notices)
	var failed *mail.SendError
	if done == 0 && errors.As(err, &failed) && !failed.IsTemp() && failed.ErrorCode() >= 500 && failed.Reason != mail.ErrSMTPRcptTo {
		m.most = max(len(notices)/2, inFull)
	}
	return done, err
}

// one sends one mail of all these notices.
func (m *mailer) one(ctx context.Context, notices []store.Notice) (done int, err error) {
	if id := notices[0].ID; m.open != id {
		m.open, m.got, m.since = id, make(map[string]bool), m.now()
	}
	client, err := m.client(ctx)
	if err != nil {
		return 0, err
	}
	written := newLetter(m.name, notices)
	left := slices.DeleteFunc(slices.Clone(m.To), func(to string) bool { return m.got[to] })
	whole, err := m.message(written, left)
	if err != nil {
		return 0, err
	}
	err = client.DialAndSendWithContext(ctx, whole)
	var failed *mail.SendError
	switch {
	case whole.IsDelivered():
		return len(notices), nil // what came after it does not matter
	case !errors.As(err, &failed) || failed.Reason != mail.ErrSMTPRcptTo || len(m.To) == 1:
		return 0, err
	}
	return m.singly(ctx, client, written, left, len(notices))
}

// singly sends a mail to each address of its own, as some of them are refused. Those that are refused for good, or for long, do not hold up what the others
// get; where nobody takes it, it is tried again.
func (m *mailer) singly(ctx context.Context, client *mail.Client, written *letter, left []string, n int) (done int, err error) {
	var later bool
	var refused []error
	for _, to := range left {
		one, err := m.message(written, []string{to})
		if err != nil {
			return 0, err
		}
		err = client.DialAndSendWithContext(ctx, one)
		var failed *mail.SendError
		switch {
		case one.IsDelivered():
			m.got[to] = true
			continue
		case !errors.As(err, &failed) || failed.IsTemp():
			later = true
		}
		refused = append(refused, fmt.Errorf("%s: %w", to, err))
	}
	err = errors.Join(refused...)
	if err == nil || len(m.got) > 0 && (!later || m.now().Sub(m.since) > greyLimit) {
		return n, err
	}
	return 0, err
}

// client makes one for one call: whatever the server does, its connection ends with ctx.
func (m *mailer) client(ctx context.Context) (*mail.Client, error) {
	port, err := strconv.Atoi(m.port)
	if err != nil {
		return nil, err
	}
	options := []mail.Option{mail.WithPort(port), mail.WithTimeout(callLimit), mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTLSConfig(m.tls), mail.WithoutNoop(),
		mail.WithDialContextFunc(func(_ context.Context, network, address string) (net.Conn, error) {
			return m.dial(ctx, network, address)
		})}
	if m.TLS == "tls" {
		options = append(options, mail.WithSSL())
	}
	if m.Username != "" {
		options = append(options, mail.WithUsername(m.Username), mail.WithPassword(m.Password.Reveal()),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256PLUS, mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5))
	}
	return mail.NewClient(m.host, options...)
}

func (m *mailer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { raw.Close() })
	conn := &bounded{raw, mostFromMail}
	if m.Mail.TLS != "tls" {
		return conn, nil
	}
	secured := tls.Client(conn, m.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return secured, nil
}

// mostFromMail is how much a mail server may say in one call: a few lines are usual, and a line is read whole.
const mostFromMail = 1 << 20

// bounded is a connection from which only so much can be read.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the server said more than %d bytes", mostFromMail)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// message makes the mail. It has the same id each time it is sent.
func (m *mailer) message(l *letter, to []string) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := msg.FromFormat("Active Defense", m.From); err != nil {
		return nil, err
	}
	if err := msg.To(to...); err != nil {
		return nil, err
	}
	msg.Subject(l.subject)
	msg.SetDateWithValue(m.now())
	_, domain, _ := strings.Cut(m.From, "@")
	msg.SetMessageIDWithValue(l.id + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody answers by himself
	msg.SetBodyString(mail.TypeTextPlain, l.plain)
	msg.AddAlternativeString(mail.TypeTextHTML, l.html)
	if l.csv == nil {
		return msg, nil
	}
	return msg, msg.AttachReader("sources.csv", strings.NewReader(string(l.csv)), mail.WithFileContentType("text/csv"))
}
