//! The commands on the main road: run, look, change, run again.

use crate::project::Project;

#[test]
fn a_second_run_computes_nothing_and_a_parameter_reruns_train_onwards() {
    let project = Project::regression();
    assert_eq!(project.executed(&["run"]), "ingest split transform train evaluate register");
    assert_eq!(project.executed(&["run"]), "");
    project.edit("recipe.yaml", "alpha: 0.5", "alpha: 0.7");
    assert_eq!(project.ok(&["why", "train"]).stdout, "train would run, because\n  config `estimator_params.alpha`: 0.5 → 0.7\n");
    assert_eq!(project.executed(&["run"]), "train evaluate register");
}
