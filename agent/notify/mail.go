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
)

// mails makes the receivers of mail. Each address has one for blocks and holds, whose mails are bounded, and one for all other events, which do not wait for these:
// an address that is refused, for now or for good, keeps nothing from the others.
func mails(o Options) (all []*receiver, err error) {
	c := &o.Config.Mail
	blocks, others := split(c.Events, store.EventBlock, store.EventHeld)
	var to []string
	for _, address := range c.To {
		if !slices.Contains(to, address) {
			to = append(to, address)
		}
	}
	for _, address := range to {
		name := ""
		if len(to) > 1 {
			name = "-" + address
		}
		for _, kind := range []struct {
			name   string
			events []string
			pace   *pace
		}{{"mail", others, &pace{every: min(c.Digest, othersGap), hold: gatherFor}}, {"mail-blocks", blocks, &pace{every: c.Digest, most: c.MaxPerHour, hold: gatherFor}}} {
			if len(kind.events) == 0 {
				continue
			}
			m, err := newMailer(o, address)
			if err != nil {
				return nil, err
			}
			all = append(all, &receiver{name: kind.name + name, key: kind.name + " " + address, lanes: []lane{{events: kind.events}}, load: mailMost, each: mailMost, pace: kind.pace, send: m.send,
				test: func(ctx context.Context, n store.Notice) error {
					_, err := m.send(ctx, []store.Notice{n})
					return err
				}})
		}
	}
	return all, nil
}

// mailer sends mails to one address. It is for one goroutine.
type mailer struct {
	*config.Mail
	to         string
	host, port string
	name       string // of the agent
	tls        *tls.Config
	now        func() time.Time
}

func newMailer(o Options, to string) (*mailer, error) {
	c := &o.Config.Mail
	roots, err := rootsOf(c.CA)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(c.Server)
	if err != nil {
		return nil, err
	}
	return &mailer{Mail: c, to: to, host: host, port: port, name: o.Name, tls: &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}, now: o.Now}, nil
}

// send sends one mail of all these notices.
func (m *mailer) send(ctx context.Context, notices []store.Notice) (done int, err error) {
	client, err := m.client(ctx)
	if err != nil {
		return 0, err
	}
	whole, err := m.message(newLetter(m.name, notices))
	if err != nil {
		return 0, err
	}
	err = client.DialAndSendWithContext(ctx, whole)
	if whole.IsDelivered() {
		return len(notices), nil // what came after it does not matter
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) { // what is said of the connection that was closed then says less
		return 0, errNoAnswer
	}
	// Whom a server refuses before it has seen the mail, it refuses whatever the mail says.
	var failed *mail.SendError
	if errors.As(err, &failed) && !failed.IsTemp() && failed.Reason == mail.ErrSMTPDataClose && failed.ErrorCode() >= 500 {
		return 0, &contentError{err, failed.ErrorCode() == 552 || strings.HasSuffix(failed.EnhancedStatusCode(), ".3.4")}
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
func (m *mailer) message(l *letter) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := msg.FromFormat("Active Defense", m.From); err != nil {
		return nil, err
	}
	if err := msg.To(m.to); err != nil {
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
