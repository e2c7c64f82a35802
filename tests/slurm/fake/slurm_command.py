"""A stand-in for Slurm's commands: sbatch, squeue, sacct, scontrol and scancel, whichever name it is called by.

It answers from FAKE_SLURM/state, as the real ones do from the controller's memory, and writes there what it is
asked to do. What happens to jobs meanwhile is the test's business (tests/slurm/fake/scheduler.py).

It is started thousands of times, and importing json or re would take longer than all else.
"""

import marshal
import os
import sys

FOLDER = os.environ["FAKE_SLURM"]
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "BOOT_FAIL")


def main(command, arguments):
    line = " ".join([command, *arguments])
    with open(f"{FOLDER}/calls", "a") as calls:
        calls.write(f"{line}\n")
    with open(f"{FOLDER}/state", "rb") as stream:
        state = marshal.load(stream)
    for trouble in state["troubles"]:
        if line.startswith(trouble["command"]):
            if trouble["lost"]:
                answer(state, command, arguments)
            sys.exit(f"{command}: error: {trouble['text']}")
    print(answer(state, command, arguments), end="")


def answer(state, command, arguments):
    known = {job_id: job for job_id, job in state["jobs"].items() if not job["purged"]}
    if command == "sbatch":
        return sbatch(state, arguments)
    if command == "squeue":
        name = next(argument[7:] for argument in arguments if argument.startswith("--name="))
        return "".join(
            f"{job_id}|{job['state']}|standard|{job['reason'] or 'None'}|1-00:00:00|N/A|\n"
            for job_id, job in known.items()
            if job["name"] == name and job["state"] not in ENDED
        )
    if command == "sacct":
        if not state["accounting"]:
            sys.exit("sacct: error: Slurm accounting storage is disabled")
        job = state["jobs"].get(arguments[arguments.index("--jobs") + 1])
        before = "REQUEUED\n" * job["restarts"] if job and "--duplicates" in arguments else ""
        return f"{before}{job['accounted'] or job['state']}\n" if job else ""
    job_id = arguments[-1]
    if job_id not in known:
        what = (
            "slurm_load_jobs error: "
            if command == "scontrol"
            else f"scancel: error: Kill job error on job id {job_id}: "
        )
        sys.exit(f"{what}Invalid job id specified")
    job = known[job_id]
    if command == "scontrol" and "show" in arguments:
        return (
            f"JobId={job_id} JobName={job['name']} UserId=me(1000) Priority=1 Account=(null) JobState={job['state']} "
            f"Reason={job['reason'] or 'None'} Dependency=(null) Requeue=1 Restarts={job['restarts']} BatchFlag=1\n"
        )
    if command == "scontrol" and job["reason"] == "JobHeldUser":
        job["reason"] = "Priority"
    if command == "scancel" and (job["state"] not in ENDED or job["may_return"]):
        job.update(state="CANCELLED", reason="", accounted="CANCELLED by 1000", may_return=False)
    save(state)
    return ""


def sbatch(state, arguments):
    with open(arguments[-1]) as stream:
        script = stream.read()
    job_id = str(state["next_id"])
    state["next_id"] += 1
    state["jobs"][job_id] = {
        "name": script.split("--job-name=")[1].split("\n")[0],
        "state": "PENDING",
        "reason": "JobHeldUser" if "#SBATCH --hold\n" in script else "Priority",
        "restarts": 0,
        "purged": False,
        "may_return": False,
        "accounted": "",
    }
    save(state)
    return f"Submitted batch job {job_id}\n"


def save(state):
    with open(f"{FOLDER}/state.new", "wb") as stream:
        marshal.dump(state, stream)
    os.rename(f"{FOLDER}/state.new", f"{FOLDER}/state")  # noqa: PTH104


main(sys.argv[0].split("/")[-1], sys.argv[1:])
