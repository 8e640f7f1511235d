// Written by `npm run types:database`; never by hand.
export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

export type Database = {
  public: {
    Tables: {
      hp_embed_key: {
        Row: {
          created_at: string;
          id: string;
          key_hash: string;
          label: string;
          last_used_at: string | null;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          id?: string;
          key_hash: string;
          label: string;
          last_used_at?: string | null;
        };
        Update: {
          created_at?: string;
          id?: string;
          key_hash?: string;
          label?: string;
          last_used_at?: string | null;
        };
        Relationships: [];
      };
      hp_job_lease: {
        Row: {
          claimed_at: string;
          instance_id: string;
          key: string;
          sequence: number;
          token: number;
          worker_name: string;
        };
        ComputedFields: never;
        Insert: {
          claimed_at: string;
          instance_id: string;
          key: string;
          sequence: number;
          token: number;
          worker_name: string;
        };
        Update: {
          claimed_at?: string;
          instance_id?: string;
          key?: string;
          sequence?: number;
          token?: number;
          worker_name?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'hp_job_lease_worker_name_fkey';
            columns: ['worker_name'];
            isOneToOne: false;
            referencedRelation: 'hp_worker_status';
            referencedColumns: ['worker_name'];
          },
        ];
      };
      hp_member: {
        Row: {
          created_at: string;
          role: string;
          user_id: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          role?: string;
          user_id: string;
        };
        Update: {
          created_at?: string;
          role?: string;
          user_id?: string;
        };
        Relationships: [];
      };
      hp_member_invite: {
        Row: {
          created_at: string;
          email: string;
          role: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          email: string;
          role?: string;
        };
        Update: {
          created_at?: string;
          email?: string;
          role?: string;
        };
        Relationships: [];
      };
      hp_setting: {
        Row: {
          description: string;
          key: string;
          updated_at: string;
          value: NonNullable<Json>;
        };
        ComputedFields: never;
        Insert: {
          description?: string;
          key: string;
          updated_at?: string;
          value: NonNullable<Json>;
        };
        Update: {
          description?: string;
          key?: string;
          updated_at?: string;
          value?: NonNullable<Json>;
        };
        Relationships: [];
      };
      hp_worker_bucket: {
        Row: {
          at: string;
          block: number;
          cpu_max: number[];
          cpu_mean: number[];
          errors: number[];
          jobs: number[];
          jobs_done: number;
          known_s: number[];
          lag_max: number[];
          memory_max: number[];
          memory_mean: number[];
          step_s: number;
          up_s: number[];
        };
        ComputedFields: never;
        Insert: {
          at: string;
          block: number;
          cpu_max: number[];
          cpu_mean: number[];
          errors: number[];
          jobs: number[];
          jobs_done?: number;
          known_s: number[];
          lag_max: number[];
          memory_max: number[];
          memory_mean: number[];
          step_s: number;
          up_s: number[];
        };
        Update: {
          at?: string;
          block?: number;
          cpu_max?: number[];
          cpu_mean?: number[];
          errors?: number[];
          jobs?: number[];
          jobs_done?: number;
          known_s?: number[];
          lag_max?: number[];
          memory_max?: number[];
          memory_mean?: number[];
          step_s?: number;
          up_s?: number[];
        };
        Relationships: [];
      };
      hp_worker_command: {
        Row: {
          acknowledged_at: string | null;
          args: NonNullable<Json>;
          command: string;
          delivered_at: string | null;
          expires_at: string | null;
          finished_at: string | null;
          id: number;
          instance_ended_at: string | null;
          instance_id: string | null;
          message: string | null;
          new_instance_id: string | null;
          open: boolean | null;
          reason: string | null;
          requested_as: string;
          requested_at: string;
          requested_by: string | null;
          state: string;
          tries: number;
          worker_name: string | null;
          worker_type: string | null;
        };
        ComputedFields: never;
        Insert: {
          acknowledged_at?: string | null;
          args?: NonNullable<Json>;
          command: string;
          delivered_at?: string | null;
          expires_at?: string | null;
          finished_at?: string | null;
          id?: never;
          instance_ended_at?: string | null;
          instance_id?: string | null;
          message?: string | null;
          new_instance_id?: string | null;
          open?: never;
          reason?: string | null;
          requested_as: string;
          requested_at?: string;
          requested_by?: string | null;
          state: string;
          tries?: number;
          worker_name?: string | null;
          worker_type?: string | null;
        };
        Update: {
          acknowledged_at?: string | null;
          args?: NonNullable<Json>;
          command?: string;
          delivered_at?: string | null;
          expires_at?: string | null;
          finished_at?: string | null;
          id?: never;
          instance_ended_at?: string | null;
          instance_id?: string | null;
          message?: string | null;
          new_instance_id?: string | null;
          open?: never;
          reason?: string | null;
          requested_as?: string;
          requested_at?: string;
          requested_by?: string | null;
          state?: string;
          tries?: number;
          worker_name?: string | null;
          worker_type?: string | null;
        };
        Relationships: [];
      };
      hp_worker_event: {
        Row: {
          at: string;
          details: NonNullable<Json>;
          epoch: number | null;
          from_value: string | null;
          id: number;
          instance_id: string | null;
          reason: string | null;
          recorded_at: string;
          to_value: string | null;
          type: string;
          worker_name: string | null;
        };
        ComputedFields: never;
        Insert: {
          at: string;
          details?: NonNullable<Json>;
          epoch?: number | null;
          from_value?: string | null;
          id?: never;
          instance_id?: string | null;
          reason?: string | null;
          recorded_at?: string;
          to_value?: string | null;
          type: string;
          worker_name?: string | null;
        };
        Update: {
          at?: string;
          details?: NonNullable<Json>;
          epoch?: number | null;
          from_value?: string | null;
          id?: never;
          instance_id?: string | null;
          reason?: string | null;
          recorded_at?: string;
          to_value?: string | null;
          type?: string;
          worker_name?: string | null;
        };
        Relationships: [];
      };
      hp_worker_group: {
        Row: {
          created_at: string;
          description: string | null;
          desired: number | null;
          heartbeat_interval_s: number | null;
          job_url_template: string | null;
          minimum: number | null;
          paused_reason: string | null;
          paused_until: string | null;
          restart_hint: string | null;
          revision: number;
          updated_at: string;
          worker_type: string;
        };
        ComputedFields: never;
        Insert: {
          created_at?: string;
          description?: string | null;
          desired?: number | null;
          heartbeat_interval_s?: number | null;
          job_url_template?: string | null;
          minimum?: number | null;
          paused_reason?: string | null;
          paused_until?: string | null;
          restart_hint?: string | null;
          revision?: number;
          updated_at?: string;
          worker_type: string;
        };
        Update: {
          created_at?: string;
          description?: string | null;
          desired?: number | null;
          heartbeat_interval_s?: number | null;
          job_url_template?: string | null;
          minimum?: number | null;
          paused_reason?: string | null;
          paused_until?: string | null;
          restart_hint?: string | null;
          revision?: number;
          updated_at?: string;
          worker_type?: string;
        };
        Relationships: [];
      };
      hp_worker_instance: {
        Row: {
          counted_errors: number;
          counted_jobs: number;
          ended_at: string | null;
          epoch: number;
          hostname: string | null;
          instance_id: string;
          last_exit: Json | null;
          last_heartbeat: string;
          lease_expires_at: string | null;
          log_line: number;
          logs_dropped: number;
          parts: string[] | null;
          pid: number | null;
          registered_at: string;
          runtime: string | null;
          sequence: number;
          started_at: string | null;
          status: string;
          superseded_at: string | null;
          took_over_at: string | null;
          version: string | null;
          worker_name: string;
        };
        ComputedFields: never;
        Insert: {
          counted_errors?: number;
          counted_jobs?: number;
          ended_at?: string | null;
          epoch: number;
          hostname?: string | null;
          instance_id: string;
          last_exit?: Json | null;
          last_heartbeat: string;
          lease_expires_at?: string | null;
          log_line?: number;
          logs_dropped?: number;
          parts?: string[] | null;
          pid?: number | null;
          registered_at: string;
          runtime?: string | null;
          sequence?: number;
          started_at?: string | null;
          status: string;
          superseded_at?: string | null;
          took_over_at?: string | null;
          version?: string | null;
          worker_name: string;
        };
        Update: {
          counted_errors?: number;
          counted_jobs?: number;
          ended_at?: string | null;
          epoch?: number;
          hostname?: string | null;
          instance_id?: string;
          last_exit?: Json | null;
          last_heartbeat?: string;
          lease_expires_at?: string | null;
          log_line?: number;
          logs_dropped?: number;
          parts?: string[] | null;
          pid?: number | null;
          registered_at?: string;
          runtime?: string | null;
          sequence?: number;
          started_at?: string | null;
          status?: string;
          superseded_at?: string | null;
          took_over_at?: string | null;
          version?: string | null;
          worker_name?: string;
        };
        Relationships: [
          {
            foreignKeyName: 'hp_worker_instance_worker_name_fkey';
            columns: ['worker_name'];
            isOneToOne: false;
            referencedRelation: 'hp_worker_status';
            referencedColumns: ['worker_name'];
          },
        ];
      };
      hp_worker_log: {
        Row: {
          at: string;
          dropped: number;
          id: number;
          instance_id: string;
          level: string;
          line: number;
          message: string;
          worker_name: string;
        };
        ComputedFields: never;
        Insert: {
          at: string;
          dropped?: number;
          id?: never;
          instance_id: string;
          level: string;
          line: number;
          message: string;
          worker_name: string;
        };
        Update: {
          at?: string;
          dropped?: number;
          id?: never;
          instance_id?: string;
          level?: string;
          line?: number;
          message?: string;
          worker_name?: string;
        };
        Relationships: [];
      };
      hp_worker_status: {
        Row: {
          activity_seen_at: string | null;
          circuit_breaker_failures: number;
          circuit_breaker_open: boolean;
          circuit_breaker_opened_at: string | null;
          circuit_breaker_reason: string | null;
          circuit_breaker_retry_at: string | null;
          circuit_breaker_state: string;
          circuit_breaker_threshold: number;
          clock_skew_ms: number | null;
          counted_errors: number;
          counted_jobs: number;
          cpu_percent: number | null;
          created_at: string;
          current_job_id: string | null;
          current_job_type: string | null;
          current_status: string | null;
          description: string | null;
          draining: boolean;
          epoch: number | null;
          error_count: number;
          event_loop_blocked_ms: number | null;
          event_loop_lag_ms: number | null;
          expected: boolean;
          grace_s: number;
          heartbeat_interval_s: number;
          hostname: string | null;
          instance_id: string | null;
          interval_override_s: number | null;
          is_public: boolean;
          jobs_active: number;
          jobs_processed: number;
          kind: string;
          last_error: string | null;
          last_error_at: string | null;
          last_exit: Json | null;
          last_heartbeat: string | null;
          last_run_at: string | null;
          last_run_duration_ms: number | null;
          last_run_errors: number | null;
          late_after_intervals: number;
          lease_expires_at: string | null;
          lost_after_intervals: number;
          max_run_s: number;
          memory_percent: number | null;
          memory_rss_bytes: number | null;
          metadata: Json | null;
          metadata_at: string | null;
          name_conflict_since: string | null;
          next_run_at: string | null;
          parts: string[] | null;
          paused_reason: string | null;
          paused_until: string | null;
          pid: number | null;
          poll_interval_s: number | null;
          processed_count: number | null;
          requested_interval_s: number | null;
          revision: number;
          runtime: string | null;
          schedule: string | null;
          seen_at: string | null;
          seen_by: string | null;
          sequence: number;
          started_at: string | null;
          status: string;
          status_reason: string | null;
          status_since: string;
          status_updated_at: string | null;
          transitioned_at: string | null;
          updated_at: string;
          version: string | null;
          worker_id: number;
          worker_name: string;
          worker_type: string | null;
        };
        ComputedFields: never;
        Insert: {
          activity_seen_at?: string | null;
          circuit_breaker_failures?: number;
          circuit_breaker_open?: boolean;
          circuit_breaker_opened_at?: string | null;
          circuit_breaker_reason?: string | null;
          circuit_breaker_retry_at?: string | null;
          circuit_breaker_state?: string;
          circuit_breaker_threshold?: number;
          clock_skew_ms?: number | null;
          counted_errors?: number;
          counted_jobs?: number;
          cpu_percent?: number | null;
          created_at?: string;
          current_job_id?: string | null;
          current_job_type?: string | null;
          current_status?: string | null;
          description?: string | null;
          draining?: boolean;
          epoch?: number | null;
          error_count?: number;
          event_loop_blocked_ms?: number | null;
          event_loop_lag_ms?: number | null;
          expected?: boolean;
          grace_s?: number;
          heartbeat_interval_s?: number;
          hostname?: string | null;
          instance_id?: string | null;
          interval_override_s?: number | null;
          is_public?: boolean;
          jobs_active?: number;
          jobs_processed?: number;
          kind?: string;
          last_error?: string | null;
          last_error_at?: string | null;
          last_exit?: Json | null;
          last_heartbeat?: string | null;
          last_run_at?: string | null;
          last_run_duration_ms?: number | null;
          last_run_errors?: number | null;
          late_after_intervals?: number;
          lease_expires_at?: string | null;
          lost_after_intervals?: number;
          max_run_s?: number;
          memory_percent?: number | null;
          memory_rss_bytes?: number | null;
          metadata?: Json | null;
          metadata_at?: string | null;
          name_conflict_since?: string | null;
          next_run_at?: string | null;
          parts?: string[] | null;
          paused_reason?: string | null;
          paused_until?: string | null;
          pid?: number | null;
          poll_interval_s?: number | null;
          processed_count?: number | null;
          requested_interval_s?: number | null;
          revision?: number;
          runtime?: string | null;
          schedule?: string | null;
          seen_at?: string | null;
          seen_by?: string | null;
          sequence?: number;
          started_at?: string | null;
          status?: string;
          status_reason?: string | null;
          status_since?: string;
          status_updated_at?: string | null;
          transitioned_at?: string | null;
          updated_at?: string;
          version?: string | null;
          worker_id?: number;
          worker_name: string;
          worker_type?: string | null;
        };
        Update: {
          activity_seen_at?: string | null;
          circuit_breaker_failures?: number;
          circuit_breaker_open?: boolean;
          circuit_breaker_opened_at?: string | null;
          circuit_breaker_reason?: string | null;
          circuit_breaker_retry_at?: string | null;
          circuit_breaker_state?: string;
          circuit_breaker_threshold?: number;
          clock_skew_ms?: number | null;
          counted_errors?: number;
          counted_jobs?: number;
          cpu_percent?: number | null;
          created_at?: string;
          current_job_id?: string | null;
          current_job_type?: string | null;
          current_status?: string | null;
          description?: string | null;
          draining?: boolean;
          epoch?: number | null;
          error_count?: number;
          event_loop_blocked_ms?: number | null;
          event_loop_lag_ms?: number | null;
          expected?: boolean;
          grace_s?: number;
          heartbeat_interval_s?: number;
          hostname?: string | null;
          instance_id?: string | null;
          interval_override_s?: number | null;
          is_public?: boolean;
          jobs_active?: number;
          jobs_processed?: number;
          kind?: string;
          last_error?: string | null;
          last_error_at?: string | null;
          last_exit?: Json | null;
          last_heartbeat?: string | null;
          last_run_at?: string | null;
          last_run_duration_ms?: number | null;
          last_run_errors?: number | null;
          late_after_intervals?: number;
          lease_expires_at?: string | null;
          lost_after_intervals?: number;
          max_run_s?: number;
          memory_percent?: number | null;
          memory_rss_bytes?: number | null;
          metadata?: Json | null;
          metadata_at?: string | null;
          name_conflict_since?: string | null;
          next_run_at?: string | null;
          parts?: string[] | null;
          paused_reason?: string | null;
          paused_until?: string | null;
          pid?: number | null;
          poll_interval_s?: number | null;
          processed_count?: number | null;
          requested_interval_s?: number | null;
          revision?: number;
          runtime?: string | null;
          schedule?: string | null;
          seen_at?: string | null;
          seen_by?: string | null;
          sequence?: number;
          started_at?: string | null;
          status?: string;
          status_reason?: string | null;
          status_since?: string;
          status_updated_at?: string | null;
          transitioned_at?: string | null;
          updated_at?: string;
          version?: string | null;
          worker_id?: number;
          worker_name?: string;
          worker_type?: string | null;
        };
        Relationships: [];
      };
      hp_worker_token: {
        Row: {
          by_secret_key: boolean;
          created_at: string;
          created_by: string | null;
          expires_at: string | null;
          label: string;
          last_used_at: string | null;
          name_pattern: string;
          refused_at: string | null;
          refused_count: number;
          refused_lately: number;
          refused_since: string | null;
          refused_why: string | null;
          revoked_at: string | null;
          token_hash: string;
          token_id: number;
          token_start: string;
        };
        ComputedFields: never;
        Insert: {
          by_secret_key?: boolean;
          created_at?: string;
          created_by?: string | null;
          expires_at?: string | null;
          label: string;
          last_used_at?: string | null;
          name_pattern: string;
          refused_at?: string | null;
          refused_count?: number;
          refused_lately?: number;
          refused_since?: string | null;
          refused_why?: string | null;
          revoked_at?: string | null;
          token_hash: string;
          token_id?: never;
          token_start: string;
        };
        Update: {
          by_secret_key?: boolean;
          created_at?: string;
          created_by?: string | null;
          expires_at?: string | null;
          label?: string;
          last_used_at?: string | null;
          name_pattern?: string;
          refused_at?: string | null;
          refused_count?: number;
          refused_lately?: number;
          refused_since?: string | null;
          refused_why?: string | null;
          revoked_at?: string | null;
          token_hash?: string;
          token_id?: never;
          token_start?: string;
        };
        Relationships: [];
      };
    };
    Views: {
      hp_active_workers: {
        Row: {
          current_job_id: string | null;
          current_job_type: string | null;
          current_status: string | null;
          error_count: number | null;
          hostname: string | null;
          jobs_active: number | null;
          jobs_processed: number | null;
          last_heartbeat: string | null;
          level: string | null;
          next_run_at: string | null;
          pid: number | null;
          reason: string | null;
          seconds_since_heartbeat: number | null;
          started_at: string | null;
          status: string | null;
          version: string | null;
          worker_name: string | null;
          worker_type: string | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
      hp_dead_workers: {
        Row: {
          dead_since: string | null;
          expected: boolean | null;
          hostname: string | null;
          last_error: string | null;
          last_exit: Json | null;
          last_heartbeat: string | null;
          pid: number | null;
          reason: string | null;
          restart_hint: string | null;
          seconds_since_heartbeat: number | null;
          version: string | null;
          worker_name: string | null;
          worker_type: string | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
      hp_worker_group_health: {
        Row: {
          alive: number | null;
          desired: number | null;
          expected: number | null;
          level: string | null;
          minimum: number | null;
          reason: string | null;
          rule: string | null;
          worker_type: string | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
      hp_worker_stats: {
        Row: {
          alive: number | null;
          critical: number | null;
          desired: number | null;
          error_count: number | null;
          error_percent: number | null;
          jobs_active: number | null;
          jobs_processed: number | null;
          last_heartbeat: string | null;
          minimum: number | null;
          paused: number | null;
          warning: number | null;
          worker_type: string | null;
          workers: number | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
    };
    Functions: {
      hp_add_member: { Args: { email: string; role?: string }; Returns: undefined };
      hp_admit_sign_in: { Args: { email: string; kind?: string; network: string }; Returns: number };
      hp_bar: { Args: { embed_key?: string }; Returns: Json };
      hp_claim_invite: { Args: Record<PropertyKey, never>; Returns: string };
      hp_claim_lease: {
        Args: { instance_id: string; key: string; sequence?: number; worker_name: string };
        Returns: Json;
      };
      hp_cleanup_stale_workers: { Args: { older_than?: string }; Returns: Json };
      hp_create_embed_key: { Args: { label: string }; Returns: Json };
      hp_create_worker_token: {
        Args: { expires_in?: string; label: string; name_pattern: string };
        Returns: Json;
      };
      hp_diagnosis: { Args: Record<PropertyKey, never>; Returns: Json };
      hp_fleet: { Args: Record<PropertyKey, never>; Returns: Json };
      hp_forget_sign_in: { Args: { network: string }; Returns: undefined };
      hp_heartbeat: { Args: { beats: Json }; Returns: Json };
      hp_invite_member: { Args: { email: string; role?: string }; Returns: undefined };
      hp_list_worker_tokens: { Args: Record<PropertyKey, never>; Returns: Json };
      hp_mark_seen: { Args: { reason?: string; worker_name: string }; Returns: Json };
      hp_members: {
        Args: Record<PropertyKey, never>;
        Returns: {
          email: string;
          is_me: boolean;
          last_sign_in_at: string;
          pending: boolean;
          role: string;
          since: string;
          user_id: string;
        }[];
      };
      hp_pause: {
        Args: { reason?: string; until?: string; worker_name?: string; worker_type?: string };
        Returns: Json;
      };
      hp_public_status: { Args: Record<PropertyKey, never>; Returns: Json };
      hp_release_dead_worker_leases: { Args: Record<PropertyKey, never>; Returns: number };
      hp_release_lease: {
        Args: { instance_id: string; key: string; token: number; worker_name: string };
        Returns: Json;
      };
      hp_remove_member: { Args: { user_id: string }; Returns: undefined };
      hp_request_command: {
        Args: { args?: Json; command: string; instance_id?: string; reason: string; worker_name: string };
        Returns: Json;
      };
      hp_revoke_embed_key: { Args: { id: string }; Returns: boolean };
      hp_revoke_worker_token: { Args: { token_id: number }; Returns: Json };
      hp_set_frame_ancestors: { Args: { sources: string }; Returns: undefined };
      hp_set_member_role: { Args: { role: string; user_id: string }; Returns: undefined };
      hp_set_public_page: { Args: { shown: boolean; workers: string[] }; Returns: undefined };
      hp_sparks: { Args: { worker_ids: number[] }; Returns: Json };
      hp_stop_worker: { Args: { reason?: string; worker_name: string }; Returns: Json };
      hp_throughput: { Args: Record<PropertyKey, never>; Returns: Json };
      hp_tick: { Args: Record<PropertyKey, never>; Returns: Json };
      hp_unpause: { Args: { reason?: string; worker_name?: string; worker_type?: string }; Returns: Json };
      hp_watch: { Args: Record<PropertyKey, never>; Returns: Json };
      hp_watch_worker: { Args: { worker_name: string }; Returns: Json };
      hp_withdraw_invite: { Args: { email: string }; Returns: undefined };
      hp_worker_commands: {
        Args: { before?: number; most?: number; worker_name?: string; worker_type?: string };
        Returns: Json;
      };
      hp_worker_events: {
        Args: {
          before?: string;
          before_id?: number;
          kinds?: string[];
          max_count?: number;
          worker_name: string;
        };
        Returns: {
          at: string;
          details: NonNullable<Json>;
          epoch: number | null;
          from_value: string | null;
          id: number;
          instance_id: string | null;
          reason: string | null;
          recorded_at: string;
          to_value: string | null;
          type: string;
          worker_name: string | null;
        }[];
        SetofOptions: {
          from: '*';
          to: 'hp_worker_event';
          isOneToOne: false;
          isSetofReturn: true;
        };
      };
      hp_worker_health: {
        Args: {
          at?: string;
          worker: Omit<
            Database['public']['Tables']['hp_worker_status']['Row'],
            Database['public']['Tables']['hp_worker_status']['ComputedFields']
          >;
        };
        Returns: Record<string, unknown>;
      };
      hp_worker_history: { Args: { range?: string; worker_name: string }; Returns: Json };
      hp_worker_logs: {
        Args: { before?: number; level?: string; most?: number; search?: string; worker_name: string };
        Returns: Json;
      };
      hp_worker_page: { Args: { worker_name: string }; Returns: Json };
    };
    Enums: {
      [_ in never]: never;
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, '__InternalSupabase'>;

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, 'public'>];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    keyof (DefaultSchema['Tables'] & DefaultSchema['Views']) | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Views'])
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Views'])[TableName] extends {
      Row: infer R;
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema['Tables'] & DefaultSchema['Views'])
    ? (DefaultSchema['Tables'] & DefaultSchema['Views'])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R;
      }
      ? R
      : never
    : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    keyof DefaultSchema['Tables'] | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables']
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'][TableName] extends {
      Insert: infer I;
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema['Tables']
    ? DefaultSchema['Tables'][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I;
      }
      ? I
      : never
    : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    keyof DefaultSchema['Tables'] | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables']
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions['schema']]['Tables'][TableName] extends {
      Update: infer U;
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema['Tables']
    ? DefaultSchema['Tables'][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U;
      }
      ? U
      : never
    : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    keyof DefaultSchema['Enums'] | { schema: keyof DatabaseWithoutInternals },
  EnumName extends (DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions['schema']]['Enums']
    : never) = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions['schema']]['Enums'][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema['Enums']
    ? DefaultSchema['Enums'][DefaultSchemaEnumNameOrOptions]
    : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    keyof DefaultSchema['CompositeTypes'] | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends (PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions['schema']]['CompositeTypes']
    : never) = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions['schema']]['CompositeTypes'][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema['CompositeTypes']
    ? DefaultSchema['CompositeTypes'][PublicCompositeTypeNameOrOptions]
    : never;

export const Constants = {
  public: {
    Enums: {},
  },
} as const;
