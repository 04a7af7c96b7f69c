package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/output"
	"activedefense/config"
)

// maxExplained bounds the line read from standard input.
const maxExplained = 64 << 10

// explainCommand is `explain`, for one line of log.
type explainCommand struct {
	*app
	input string // the path of the input as whose line it is read; "": the first of the firewalls' logs
}

func newExplainCommand(a *app) *cobra.Command {
	e := &explainCommand{app: a}
	command := &cobra.Command{
		Use:   "explain [LINE]",
		Short: "Parse one log line and say which rules count it, and how",
		Long: `Parses one log line, given as the argument or on standard input, and says which rules count it, and how. Of an input with
patterns (--input) it says which of them took the line, and what.`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageErrorf("explain takes one line, and %d arguments were given: put the line in quotes", len(args))
			}
			line, err := e.oneLine(args)
			if err != nil {
				return err
			}
			return e.explain(c.Context(), line)
		},
	}
	command.Flags().StringVar(&e.input, "input", "", "read it as a line of the input with this `PATH` or URL, or of the file there (default: the first input of the firewalls' logs)")
	return command
}

func (e *explainCommand) oneLine(args []string) (string, error) {
	text := ""
	if len(args) == 1 {
		text = args[0]
	} else {
		data, err := io.ReadAll(io.LimitReader(e.stdin, maxExplained))
		if err != nil {
			return "", fmt.Errorf("read standard input: %w", err)
		}
		text = string(data)
	}
	text, rest, _ := strings.Cut(strings.TrimLeft(text, "\r\n\x00"), "\n") // NULs as copytruncate leaves them
	if strings.TrimSpace(text) == "" {
		return "", usageErrorf("no line given: pass one as the argument or on standard input")
	}
	if strings.TrimSpace(rest) != "" {
		fmt.Fprintln(e.stderr, "more than one line was given; this is the first. All of a file: activedefense replay FILE")
	}
	return strings.TrimSuffix(text, "\r"), nil
}

func (e *explainCommand) explain(ctx context.Context, text string) error {
	client, done, err := e.client(ctx)
	if err != nil {
		return err
	}
	defer done()
	query := url.Values{"line": {text}}
	if e.input != "" {
		name, err := inputName(e.input)
		if err != nil {
			return err
		}
		query.Set("input", name)
	}
	var answer api.LineAnswer
	if err := client.Get(ctx, "explain", query, &answer); err != nil {
		return asked(err)
	}
	for _, note := range answer.Notes {
		fmt.Fprintln(e.stderr, "warning: "+display.Harmless(note))
	}
	if e.json {
		return e.printJSON(answer.ExplainedLine)
	}
	return output.Explained(e.stdout, &answer.ExplainedLine)
}

// inputName is how the configuration knows an input: by the whole path of a file of it, or the URL at which it listens.
func inputName(given string) (string, error) {
	if strings.Contains(given, "://") {
		return given, nil
	}
	path, err := filepath.Abs(given)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", given, err)
	}
	return path, nil
}

// client is what explains: this process by the configuration, or, where this user may not read that, the daemon that runs.
func (e *explainCommand) client(ctx context.Context) (client *api.Client, done func(), err error) {
	daemon, err := e.instead(ctx, config.Options{WithoutFiles: true})
	if err != nil {
		return nil, nil, err
	}
	if daemon != nil {
		return daemon.Client, func() {}, nil
	}
	cfg, err := e.loadPart(config.PartInputs, config.PartRules, config.PartOurs, config.PartStore)
	if err != nil {
		return nil, nil, err
	}
	st, missing := e.beside(ctx, cfg)
	return here(agent.Served(cfg, version, st, missing)), func() {
		if st != nil {
			st.Close()
		}
	}, nil
}
