// The Kubernetes control plane as one binary: it plays the role of the name it is called by, so that what the four
// commands share is compiled and stored once.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var commands = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	if os.Getenv("END_WITH_STDIN") == "1" {
		go endWithStdin()
	}
	role := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if role == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	command, known := commands[role]
	if !known {
		fmt.Fprintf(os.Stderr, "%s: call this binary as etcd, kube-apiserver, kube-controller-manager or kube-scheduler\n", role)
		os.Exit(2)
	}
	os.Exit(cli.Run(command()))
}

// Whoever starts a control plane for a test holds the other end of its standard input: however that process ends, killed
// included, nothing of the control plane is left running.
func endWithStdin() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
