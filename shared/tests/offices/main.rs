//! What every permit office keeps to, wherever its state is: one suite. Time is the runtime's and passes when all wait.

mod limits;
mod pauses;
mod properties;
mod runs;
mod support;

macro_rules! suite {
    ($office:ident: $new:expr; $($module:ident::$test:ident)*; $($property:ident)*) => {
        mod $office {
            $(
                #[tokio::test(start_paused = true)]
                async fn $test() {
                    crate::$module::$test($new()).await;
                }
            )*
            $(
                #[test]
                fn $property() {
                    crate::properties::$property($new);
                }
            )*
        }
    };
}

macro_rules! for_each_office {
    ($($tests:tt)*) => {
        suite! { local: || valuesim_shared::permit::QuotaOffice::local(crate::support::PAUSES); $($tests)* }
    };
}

for_each_office! {
    limits::calls_in_flight_are_bounded_until_a_permit_is_dropped
    limits::calls_get_their_turn_in_the_order_in_which_they_came
    limits::a_token_limit_makes_the_next_call_wait
    limits::a_call_that_is_larger_than_the_allowance_goes_out_all_the_same
    limits::what_is_waited_for_is_known_until_nobody_waits
    limits::a_call_that_is_given_up_while_it_waits_costs_nothing
    pauses::a_permit_that_is_dropped_unsettled_says_nothing
    pauses::what_the_provider_asks_of_one_call_holds_for_all
    pauses::the_longest_pause_stands
    pauses::calls_that_waited_while_a_pause_began_do_not_go_out
    pauses::the_circuit_opens_when_all_have_failed_twice_and_until_one_is_answered
    pauses::a_refused_configuration_opens_no_circuit
    pauses::a_process_that_stood_still_begins_no_call_for_a_second
    runs::runs_share_what_their_endpoint_and_model_allow
    runs::of_different_limits_the_smallest_of_the_open_desks_holds
    runs::a_run_with_twice_the_share_gets_twice_as_much
    runs::a_key_that_is_refused_leaves_another_key_of_the_provider_free
    ;
    no_minute_holds_more_than_the_limit
    permits_are_neither_lost_nor_made
}
