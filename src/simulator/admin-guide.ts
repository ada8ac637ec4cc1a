/** The admin API's own documentation, `GET /`. */
export const adminGuide = `Admin API of the Proxmox VE simulator. JSON in and out, loopback only, no credentials.

GET    /                                this text
GET    /requests                        API requests so far: total, per cluster, per method and path template
DELETE /requests                        counts from zero
GET    /faults                          rules with how often each matched (seen) and struck (hits)
POST   /faults                          adds a rule; the first rule that hits a call decides
         {"cluster"?, "method"?, "path"?, "at"?: 1, "times"?: 1, "action": {...}}
         path: template (/nodes/{node}/qemu/{vmid}/config) or concrete path, * = any text
         at: the first matching call it hits, from 1; times: how many in a row, 0 = all that follow
         action: {"kind": "reset-before"}                        connection reset, nothing done
                 {"kind": "reset-after-commit"}                  done, answer lost
                 {"kind": "status", "code": 596, "reason": ".."} this status line, nothing done
                 {"kind": "task-fails", "exitStatus": "..", "when"?: "before"|"after"}
                 {"kind": "task-hangs"}                          until the task is stopped
                 {"kind": "delay", "ms": 5000}                   virtual time
                 {"kind": "expire-ticket"}                       401 as for an expired ticket
                 {"kind": "html"}                                200 with an HTML page
DELETE /faults                          no rules
GET    /clock                           {"nowMs", "now", "timeScale"}
POST   /clock                           {"advanceMs"?, "toNextTimer"?: true, "timeScale"?}; answers when all due work has run
GET    /checksums                       every disk volume and every disk in an archive, with sha256 of its contents
GET    /guests                          guests of all clusters; "since" = virtual time of the last start
POST   /guests/{cluster}/{vmid}/write   {"disk", "blocks": count or [index, ..], "seed"?, "force"?} the guest writes to its disk
GET    /events                          ?after=N for those after sequence number N
GET    /tasks                           running tasks of all clusters
POST   /tasks/{upid}/kill               SIGKILL of the worker: no clean-up, exit status "unexpected status"
GET    /traffic                         bytes each worker read, wrote and sent over networks, by resource; ?since=MS of virtual time
POST   /nodes/{cluster}/{node}          {"status": "online"|"offline"|"hanging", "powerOff"?: true}
                                        offline: unreachable; powerOff: its workers and guests end too
POST   /clusters/{cluster}              {"status": "up"|"down"} down: every listener refuses connections
POST   /backup-servers/{id}             {"status": "up"|"down"} down: its API refuses connections, storages on it are inactive
POST   /storages/{cluster}/{storage}    {"freeBytes": N, "node"?} takes space until N bytes are free
GET    /state                           everything
`;
